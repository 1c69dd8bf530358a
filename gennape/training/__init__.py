"""Training with Lightning: the data, the module, and the command line. Nothing else imports it."""
