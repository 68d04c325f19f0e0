"""Checks that the example configurations load, and that they explain every key that the daemon knows.

    python3 tests/deploy/check_examples.py target/debug/tidegauge

Three things are asked of the examples: that they load as they are; that they load with everything made that is only
shown, the lines that begin with `#` and a key at once; and that no key is missing from those that explain all of them.
What the daemon knows it tells itself: a key that it cannot know is put into every map, and its hint lists those that it
would have taken.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Each of these explains all keys of its kind.
ANNOTATED = ["deploy/tidegauge.yaml", "rules/starting-point.yaml", "rules/starting-point.test.yaml"]
TESTS = ANNOTATED[2]
# So many kinds of maps they have at least, each with keys of its own.
LEAST = {ANNOTATED[0]: 7, ANNOTATED[1]: 7, TESTS: 6}
EXAMPLES = [*ANNOTATED, "deploy/compose/tidegauge.yaml"]
# What the shown settings refer to.
SECRETS = [
    "kafka-password",
    "chat-url",
    "chat-token",
    "mail-password",
    "slack-url",
    "pagerduty-key",
    "teams-url",
    "alertmanager-password",
    "airflow-password",
    "databricks-token",
    "argo-token",
    "kubeflow-token",
    "kubernetes-token",
    "github-token",
    "aws-access-key-id",
    "aws-secret-access-key",
    "aws-session-token",
    "mlflow-token",
    "mlflow-password",
    "mlflow-webhook-secret",
]
CERTIFICATES = ["mail-ca.pem", "proxy-ca.pem"]
# A key that nothing else is near to.
UNKNOWN = "zzzzzzzz"


def made(text):
    """The text with everything made that is only shown."""
    return re.sub(r"(?m)^( *)#(?=[^\s#])", r"\1", text)


def with_unknown_keys(text):
    """The text with a key that cannot be known at the beginning of each map that is written in block style."""
    lines = text.splitlines()
    changed = [f"{UNKNOWN}: 0"]
    for index, line in enumerate(lines):
        changed.append(line)
        rest = (after.lstrip() for after in lines[index + 1 :])
        first = next((after for after in rest if after and not after.startswith("#")), "")
        opened = re.fullmatch(r"( *)(?:[\w.-]+:|- [\w.-]+: .+)", line)
        # What opens a list is no map; its items are.
        if opened and not (line.endswith(":") and first.startswith("- ")):
            changed.append(f"{opened[1]}  {UNKNOWN}: 0")
    return "\n".join(changed) + "\n"


def siblings(lines, index):
    """The keys of the map that an inserted line begins."""
    indent = len(lines[index]) - len(lines[index].lstrip())
    keys = set()
    above = re.match(rf" {{{max(indent - 2, 0)}}}- ([\w.-]+):", lines[index - 1])
    if above:
        keys.add(above[1])
    for line in lines[index + 1 :]:
        if line.strip() and not line.lstrip().startswith("#"):
            if len(line) - len(line.lstrip()) < indent:
                break
            key = re.match(rf" {{{indent}}}([\w.-]+):", line)
            if key:
                keys.add(key[1])
    return keys


def check(binary, *files):
    """What `tidegauge check` says of files, and whether it is content."""
    done = subprocess.run([binary, "check", *files], capture_output=True, text=True, timeout=60)
    if done.returncode not in (0, 64):
        sys.exit(f"tidegauge check ended with {done.returncode}: {done.stderr}")
    return done.returncode == 0, done.stderr


def laid_out(folder, change):
    """Copies the annotated examples, changed, to where they find one another and the secrets that they show."""
    files = []
    for name in ANNOTATED:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        files.append(file)
        changed = change(name, (ROOT / name).read_text())
        if changed is not None:
            file.write_text(changed)
    secrets = folder / "deploy" / "secrets"
    secrets.mkdir()
    for name in SECRETS:
        (secrets / name).write_text("https://example.com/not-a-secret\n")
    for name in CERTIFICATES:
        (secrets / name).write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    return files


def unexplained(file, told):
    """The keys that the daemon knows and the file does not explain, from what it told of the unknown ones."""
    lines = file.read_text().splitlines()
    pattern = rf"(?m)^{re.escape(str(file))}:(\d+):\d+: unknown key `{UNKNOWN}`\n +hint: known: (.*)$"
    maps = collections.defaultdict(set)
    for line, known in re.findall(pattern, told):
        maps[frozenset(re.findall(r"`([^`]+)`", known))] |= siblings(lines, int(line) - 1)
    text = "\n".join(line for line in lines if line.lstrip().startswith("#"))
    missing = []
    for known, written in maps.items():
        # One of two alternatives cannot be made, so it is only told of.
        missing += sorted(key for key in known - written if f"`{key}: " not in text)
    return missing, len(maps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tidegauge", help="the binary")
    binary = pathlib.Path(parser.parse_args().tidegauge).resolve()
    wrong = []
    for name in EXAMPLES:
        good, told = check(binary, ROOT / name)
        print(f"{'good' if good else 'BAD '}  {name}")
        wrong += [] if good else [told]
    with tempfile.TemporaryDirectory() as folder:
        # Other settings have other alerts, so their tests stay away.
        files = laid_out(pathlib.Path(folder), lambda name, text: None if name == TESTS else made(text))
        good, told = check(binary, *(file for file in files if file.exists()))
        print(f"{'good' if good else 'BAD '}  with all made that is shown")
        wrong += [] if good else [told]
    for name in ANNOTATED:
        def changed(other, text):
            if other == name:
                return with_unknown_keys(made(text))
            # What is not examined only has to be there, and to be good.
            return None if other == TESTS else text

        with tempfile.TemporaryDirectory() as folder:
            file = laid_out(pathlib.Path(folder), changed)[ANNOTATED.index(name)]
            _, told = check(binary, file)
            missing, maps = unexplained(file, told)
            print(f"{'BAD ' if missing else 'good'}  {name} explains every key of {maps} kinds of maps")
            wrong += [f"{name} does not explain `{key}`\n" for key in missing]
            if maps < LEAST[name]:
                wrong.append(f"{name}: the daemon tells the keys of {maps} kinds of maps only\n{told}")
    sys.exit("".join(["\n", *wrong]) if wrong else 0)


if __name__ == "__main__":
    main()
