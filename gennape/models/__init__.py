"""The networks that learn: encoders, heads, and the model that composes them."""
