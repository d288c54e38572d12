"""The command line: one file a verb. This table is all that ``tunesmith --help`` reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tunesmith.cli.frame import Verb, run

RESUMES = "Run the same command again: it goes on from the last checkpoint."

VERBS: dict[str, Verb] = {
    "doctor": Verb(
        "tunesmith.cli.doctor:doctor",
        "is this machine ready, and what to install",
        ("tunesmith doctor", "tunesmith doctor --json"),
    ),
    "plugins": Verb(
        "tunesmith.cli.plugins:plugins",
        "what there is to choose from: tasks, methods, metrics ...",
        ("tunesmith plugins", "tunesmith plugins methods", "tunesmith plugins lora", "tunesmith plugins --json"),
    ),
    "check": Verb(
        "tunesmith.cli.check:check",
        "look at a data file, say what is wrong with it, print a recipe",
        ("tunesmith check reviews.csv", "tunesmith check reviews.csv data.label=stars --json"),
    ),
    "tune": Verb(
        "tunesmith.cli.tune:tune",
        "from a data file or a recipe to a proven bundle",
        (
            "tunesmith tune reviews.csv",
            "tunesmith tune reviews.csv method=lora training.epochs=3 bundle=out/reviews",
            "tunesmith tune recipe.yaml --json",
        ),
        RESUMES,
    ),
    "pretrain": Verb(
        "tunesmith.cli.pretrain:pretrain",
        "learn from text alone: a domain's corpus, or a model from scratch",
        (
            "tunesmith pretrain corpus.jsonl model=minilm bundle=out/domain",
            "tunesmith pretrain laws.txt.gz objective=masked-lm objective.unit=span vocabulary.add=500",
            "tunesmith pretrain corpus.jsonl scratch=small training.epochs=3",
            "tunesmith pretrain corpus.jsonl downstream=reviews.csv downstream.labels=[100,1000]",
        ),
        RESUMES,
    ),
    "prompt": Verb(
        "tunesmith.cli.prompt:prompt",
        "the best prompt for labelled rows, without training; saved as a bundle",
        (
            "tunesmith prompt reviews.csv bundle=out/prompted",
            "tunesmith prompt reviews.csv model=smollm2 --way likelihood --shots 0,4,8 --rows 60",
            "tunesmith prompt reviews.csv --templates mine.yaml --test-all --json",
        ),
    ),
    "search": Verb(
        "tunesmith.cli.search:search",
        "try settings on the validation rows, then tune with the best",
        (
            "tunesmith search reviews.csv --trials 20",
            'tunesmith search reviews.csv method=lora search.space="{training.learning_rate: [1e-4, 5e-3, log]}"',
            "tunesmith search recipe.yaml --storage sqlite:///trials.db --jobs 2 --json",
        ),
        "Run the same command again: it goes on with the trials that it has.",
    ),
    "scout": Verb(
        "tunesmith.cli.scout:scout",
        "the ladder from the majority to full tuning, within a time budget",
        (
            "tunesmith scout reviews.csv --budget 10m",
            "tunesmith scout reviews.csv --budget 1h --report scout.html --json",
        ),
    ),
    "learn": Verb(
        "tunesmith.cli.learn:learn",
        "learn new rows and classes, and keep what a bundle knows",
        (
            "tunesmith learn out/reviews new.csv --protect reviews.csv bundle=out/reviews-2",
            "tunesmith learn out/reviews new.csv --protect old.csv --strategy replay --max-forgetting 0.02 --json",
            "tunesmith learn out/reviews new.csv --protect old.csv --apart",
        ),
        RESUMES,
    ),
    "soup": Verb(
        "tunesmith.cli.soup:soup",
        "average the weights of several bundles into one",
        ("tunesmith soup out/seed-1 out/seed-2 out/seed-3 bundle=out/soup", "tunesmith soup out/a out/b --how uniform"),
    ),
    "ensemble": Verb(
        "tunesmith.cli.ensemble:ensemble",
        "let several bundles answer together, as one",
        (
            "tunesmith ensemble out/seed-1 out/seed-2 out/seed-3 bundle=out/all",
            "tunesmith ensemble out/small out/large --weights 1,2",
        ),
    ),
    "shrink": Verb(
        "tunesmith.cli.shrink:shrink",
        "make a bundle small and fast, and prove that it answers alike",
        (
            "tunesmith shrink out/reviews",
            "tunesmith shrink out/reviews --to int8 --max-loss 0.01 bundle=out/reviews-int8",
            "tunesmith shrink out/reviews --cut layers=3 --cut layers=3,feed_forward=0.5 --target size --max-loss 0.02",
            "tunesmith shrink out/reviews --to torch --cut vocabulary=zh+en --json",
        ),
    ),
    "evaluate": Verb(
        "tunesmith.cli.evaluate:evaluate",
        "measure a bundle on a data file",
        ("tunesmith evaluate out/reviews held.csv", "tunesmith evaluate out/reviews held.csv --json"),
    ),
    "predict": Verb(
        "tunesmith.cli.predict:predict",
        "ask a bundle about a text, a file or standard input",
        (
            'tunesmith predict out/reviews "great!" "never again"',
            "tunesmith predict out/reviews --file new.csv --json",
        ),
    ),
    "serve": Verb(
        "tunesmith.cli.serve:serve",
        "answer over HTTP: batched, with keys, metered, watched",
        (
            "tunesmith serve out/reviews",
            "tunesmith serve out/reviews --port 8080 --runtime onnx",
            "tunesmith serve catalog.yaml --host 0.0.0.0 --keys",
            "tunesmith serve catalog.yaml --on ray",
        ),
        "What was asked before has been answered.",
    ),
    "add": Verb(
        "tunesmith.cli.add:add",
        "let a recommender know new items or interactions, without tuning",
        ("tunesmith add out/films new_films.csv", "tunesmith add out/films --log since.csv --to out/films-2 --json"),
    ),
    "query": Verb(
        "tunesmith.cli.query:query",
        "which rows of an unlabelled file to label next",
        ("tunesmith query out/reviews unlabelled.csv --count 100 -o next.csv",),
    ),
    "convert": Verb(
        "tunesmith.cli.convert:convert",
        "write annotated rows, or predictions, in another format",
        (
            "tunesmith convert train.conll train.jsonl --to doccano",
            "tunesmith predict out/names --file new.csv --output answers.jsonl",
            "tunesmith convert answers.jsonl tasks.json --to label-studio",
            "tunesmith convert export.json train.conll --to conll scheme=BIOES",
        ),
    ),
    "transcribe": Verb(
        "tunesmith.cli.transcribe:transcribe",
        "what is said in a file's sounds, as a column of texts",
        (
            "tunesmith transcribe calls.csv --column recording --output calls.jsonl",
            "tunesmith tune calls.csv data.transcribe=recording data.label=topic",
        ),
    ),
    "reproduce": Verb(
        "tunesmith.cli.reproduce:reproduce",
        "run a bundle's recipe again and say whether the figures agree",
        ("tunesmith reproduce out/reviews",),
        RESUMES,
    ),
    "keys": Verb(
        "tunesmith.cli.keys:keys",
        "who may ask the service: make, list, revoke, rotate keys",
        (
            'tunesmith keys make "Tea house" --products reviews --expires 365d',
            "tunesmith keys make shop --plan small --catalog catalog.yaml",
            "tunesmith keys list --store postgresql://user@host/name",
            "tunesmith keys rotate k3j5x8p1q0ab --grace 24h",
            "tunesmith keys revoke k3j5x8p1q0ab",
        ),
    ),
    "usage": Verb(
        "tunesmith.cli.usage:usage",
        "what was answered, by key, product, version and day; invoices",
        (
            "tunesmith usage",
            "tunesmith usage --since 2026-11-01 --until 2026-11-30 --by key,product --csv usage.csv",
            "tunesmith usage --invoice 2026-11 --catalog catalog.yaml --csv invoice.csv",
        ),
    ),
    "gate": Verb(
        "tunesmith.cli.gate:gate",
        "may a new bundle take an old one's place",
        ("tunesmith gate out/reviews-2 --against out/reviews --held new_test.csv --protect held.csv",),
    ),
    "feedback": Verb(
        "tunesmith.cli.feedback:feedback",
        "the way back: what was said about answers, when to learn, how the canary does",
        (
            "tunesmith feedback export reviews -o new.jsonl --queue to_label.jsonl --catalog catalog.yaml",
            "tunesmith feedback propose reviews --bundle out/reviews --protect reviews.csv --service http://localhost:8000",
            "tunesmith feedback canary reviews --service http://localhost:8000 --act",
        ),
    ),
    "deploy": Verb(
        "tunesmith.cli.deploy:deploy",
        "images, compose, Kubernetes manifests and a chart of a bundle",
        (
            "tunesmith deploy docker out/reviews -o deploy",
            "tunesmith deploy compose out/reviews -o deploy",
            "tunesmith deploy kubernetes out/reviews --image registry.example/reviews:1 -o deploy",
        ),
    ),
    "schema": Verb(
        "tunesmith.cli.schema:schema",
        "the JSON Schema of a recipe, with the options of every plug-in",
        ("tunesmith schema", "tunesmith schema > recipe.schema.json"),
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code (0 good, 2 something to mend, 1 our own fault, 130 interrupted)."""
    return run(VERBS, list(sys.argv[1:] if arguments is None else arguments))
