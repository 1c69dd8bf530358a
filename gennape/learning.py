"""A model learns the labels of a new family: by itself, or something beside it does."""

import copy
from dataclasses import replace

import torch

from gennape.batch import EncodedGraphs
from gennape.beside import beside, steps_beside
from gennape.models.ensemble import AnyModel, Ensemble, EnsembleConfig, Member, kendall_weights
from gennape.models.performance import PerformanceModel
from gennape.scoring import Labels, priors, scores
from gennape.targets import TargetScale
from gennape.tuning import Progress, TuneSettings, fine_tune


def tune(
    model: AnyModel,
    scale: TargetScale,
    graphs: EncodedGraphs,
    labels: Labels,
    settings: TuneSettings,
    progress: Progress | None = None,
) -> tuple[AnyModel, TargetScale]:
    """A copy of the model that has learnt from the labels, and the scale of its scores.

    Each member of an ensemble learns by itself; their weights become the softmax of Kendall's tau
    on the networks learnt from (Mills et al., AAAI 2023).

    Args:
        labels: shape (N,), higher is better, in any unit; the scale is taken from them. Where a
            prior foretells an order (`models.whole`), learning starts from what the model says.
        progress: called with (epochs done of `steps`, mean loss) after each epoch.
    """
    if settings.learner == "numbers":
        return beside(model, graphs, labels, settings, progress)
    if isinstance(model, PerformanceModel):
        return _tuned(model, scale, graphs, labels, settings, progress)
    from scipy import stats  # half as long to import as torch, and nothing that scoring needs

    learnt, _ = settings.split(len(labels))
    members: list[Member] = []
    models: list[PerformanceModel] = []
    taus = []
    for place, (member, own) in enumerate(zip(model.config.members, model.models, strict=True)):
        report = _shifted(progress, place * settings.epochs)
        tuned, own_scale = _tuned(own, member.scale, graphs, labels, settings, report)
        own_scores = scores(tuned, graphs, learnt)
        predicted = own_scale.restore(own_scores, graphs.macs_G.numpy()[learnt])
        taus.append(float(stats.kendalltau(predicted, labels[learnt]).statistic))
        models.append(tuned)
        members.append(replace(member, scale=own_scale))
    weighted = (
        replace(member, weight=float(weight))
        for member, weight in zip(members, kendall_weights(taus), strict=True)
    )
    return Ensemble.of(EnsembleConfig(tuple(weighted)), models), scale


def steps(model: AnyModel, graphs: EncodedGraphs, settings: TuneSettings) -> int:
    """How many epochs `tune` counts with these graphs; early stopping may leave some out."""
    if settings.learner == "numbers":
        return steps_beside(graphs, settings)
    return settings.epochs * (len(model.models) if isinstance(model, Ensemble) else 1)


def _shifted(progress: Progress | None, before: int) -> Progress | None:
    return (lambda epoch, loss: progress(before + epoch, loss)) if progress else None


def _tuned(
    model: PerformanceModel,
    scale: TargetScale,
    graphs: EncodedGraphs,
    labels: Labels,
    settings: TuneSettings,
    progress: Progress | None,
) -> tuple[PerformanceModel, TargetScale]:
    learnt, held_out = settings.split(len(labels))
    macs = graphs.macs_G.numpy()
    # A copy learns, so that a fit that is stopped changes nothing.
    model = copy.deepcopy(model)
    new = TargetScale.of(labels[learnt], macs[learnt], scale.flops)
    if model.reads_whole:
        new = new.around(scores(model, graphs, learnt))
    whole_N = new.standardise(labels, macs)
    target_N = torch.from_numpy(whole_N - priors(model, TargetScale(), graphs)[:, 0]).float()
    fine_tune(model, graphs, target_N, settings, learnt, held_out, progress)
    return model, new
