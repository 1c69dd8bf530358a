r"""The tables of the GENNAPE paper (Mills et al., AAAI 2023), over again, each by one command.

    python scripts/paper_tables.py --table all --profile quick     # everything, small: minutes
    python scripts/paper_tables.py --table 3                       # in full: hours
    python scripts/paper_tables.py --table 5 --targets nasbench201 darts
    python scripts/paper_tables.py --table ablation --seeds 1
    python scripts/paper_tables.py --table 3 --work runs/paper_end_to_end \
        --recipe configs/gennape/end_to_end/ensemble.yaml     # other models: paper_end_to_end_*

3         inside NAS-Bench-101: k-GNN, CL, +FCM, +T, the ensemble, and what each part adds
4, 5, 6   on other benchmarks: error, Spearman and NDCG@10, zero-shot and after 50 labels
7         evolution in NAS-Bench-101 and -201 with the predictor as fitness
ablation  one setting of CL+FCM+T changed at a time, and ways to join the ensemble

Needs the public label tables in the folder that GENNAPE_DATA names; a benchmark without its files
is left out, and a line says so. Writes paper_*.csv and paper_*.svg into --out (paper_quick_* with
the quick profile): the tables, and the rows of each seed that they are made of. What is finished is
not done again: the same command goes on after a stop. To begin anew, remove the CSV files, and the
models in --work, too, where they are to be trained again.
"""

import argparse
from pathlib import Path

from paper import ablation, search, table3, transfer, transfer_tables
from paper.study import PROFILES, RECIPE, Study
from paper.targets import TARGETS, check

from onnx_bench.errors import GennapeError
from onnx_bench.terminal import errors_in_one_line

TABLES = ("3", "4", "5", "6", "7", "ablation")


def main() -> None:
    args = parse()
    wanted = TABLES if "all" in args.table else args.table
    with errors_in_one_line():
        study = of(args)
        make(study, list(wanted))
        if lines := study.failures.lines:
            raise GennapeError("not finished, the same command tries again: " + "; ".join(lines))


def of(args: argparse.Namespace) -> Study:
    """What the arguments ask for.

    Raises:
        LabelError: a target is no benchmark.
    """
    profile = PROFILES[args.profile]
    for name in args.targets:  # before hours of training
        check(name)
    return Study(
        profile,
        range(args.seeds or profile.seeds),
        args.work / profile.name,
        args.out,
        tuple(args.targets),
        args.recipe,
        args.processes,
        "" if args.recipe.resolve().parent == RECIPE.parent else args.recipe.parent.name,
    )


def make(study: Study, tables: list[str]) -> None:
    """Each of these tables in turn."""
    if "3" in tables:
        table3.make(study)
    kinds = [kind for number, kind in transfer_tables.KINDS.items() if str(number) in tables]
    if kinds:
        rows = transfer.make(study)
        for kind in kinds:
            transfer_tables.make(study, kind, rows)
    if "7" in tables:
        search.make(study)
    if "ablation" in tables:
        ablation.make(study)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", nargs="+", choices=(*TABLES, "all"), default=["all"])
    parser.add_argument("--profile", choices=tuple(PROFILES), default="full")
    parser.add_argument("--seeds", type=positive, help="seeds 0, 1, ...; of the profile by default")
    parser.add_argument("--work", type=Path, default=Path("runs/paper"), help="trained models")
    parser.add_argument("--out", type=Path, default=Path("results"), help="tables and figures")
    parser.add_argument("--processes", type=positive, default=2, help="one thread each")
    parser.add_argument(
        "--targets",
        nargs="+",
        default=list(TARGETS),
        metavar="NAME[/SUBSET]",
        help=f"of tables 4 to 6: benchmarks, by default {', '.join(TARGETS)}",
    )
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="of the ensemble")
    return parser.parse_args()


def positive(text: str) -> int:
    """A whole number from one up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 up")
    return int(text)


if __name__ == "__main__":
    main()
