"""Checks a Grafana dashboard: that it keeps to the rules of dashboard-linter, and that its queries work.

    python3 tests/deploy/check_dashboard.py
    python3 tests/deploy/check_dashboard.py --prometheus http://127.0.0.1:9090 --expect-data "Rows counted" "Latency"

The rules are those of https://github.com/grafana/dashboard-linter with `--strict`, and some more that Grafana itself
would only complain of in the browser: panels that overlap, ids that are used twice, variables that nobody defines.

With `--prometheus` every query of every panel and variable is asked of that Prometheus, with the variables at what they
stand for when everything is selected. An error fails the check, and so does a panel without data that is named after
`--expect-data`; `--expect-data all` names every panel.
"""

import argparse
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

DASHBOARD = pathlib.Path(__file__).resolve().parents[2] / "dashboards" / "tidegauge.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Units of Grafana that stand for what we measure: numbers, shares, counts a second, seconds, yes or no.
UNITS = {"none", "short", "percentunit", "cps", "s", "bool_yes_no"}
# The classic format that Grafana 10 to 13 read alike.
SCHEMA_VERSION = 39
# What Grafana itself puts into queries, at the least that it would with a scrape every 15 s.
BUILT_IN = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h"}
VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]")
# A metric with its matchers. Values of ours have no brace in them.
SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)\s*\{([^{}]*)\}")
LABEL_VALUES = re.compile(r"label_values\((.+),\s*(\w+)\)")


class Dashboard:
    def __init__(self, file):
        self.json = json.loads(file.read_text())
        self.panels = self.json["panels"]
        self.variables = {variable["name"]: variable for variable in self.json["templating"]["list"]}
        self.wrong = []

    def require(self, holds, what):
        if not holds:
            self.wrong.append(f"this should hold: {what}")

    def queried(self):
        """Panels that ask for something."""
        return [panel for panel in self.panels if panel["type"] != "row"]

    def check(self):
        self.check_dashboard()
        self.check_variables()
        self.check_layout()
        for panel in self.queried():
            self.check_panel(panel)

    def check_dashboard(self):
        dashboard = self.json
        self.require(dashboard.get("id", 0) is None, "`id` is null: Grafana gives each copy its own")
        self.require(re.fullmatch(r"[\w-]{1,40}", dashboard.get("uid") or ""), "`uid` is fixed, at most 40 characters")
        self.require(dashboard.get("schemaVersion") == SCHEMA_VERSION, f"`schemaVersion` is {SCHEMA_VERSION}")
        self.require(dashboard.get("editable") is False, "`editable` is false: the file is what counts")
        self.require(bool(dashboard.get("title")), "the dashboard has a title")
        self.require(bool(dashboard.get("description")), "the dashboard has a description")
        self.require(bool(dashboard.get("refresh")), "the dashboard refreshes by itself")
        text = json.dumps(dashboard)
        for leftover in ("__inputs", "__requires", "DS_PROMETHEUS"):
            self.require(leftover not in text, f"there is no `{leftover}`, which provisioning does not fill in")

    def check_variables(self):
        sources = [variable for variable in self.variables.values() if variable["type"] == "datasource"]
        self.require(len(sources) == 1, "there is one variable for the data source")
        for source in sources:
            named = (source.get("name"), source.get("label"), source.get("query"))
            usual = ("datasource", "Data source", "prometheus")
            self.require(named == usual, f"name, label and query of the data source are {usual}, not {named}")
        text = json.dumps(self.panels)
        for name in ("job", "instance", "model", "version"):
            self.require(name in self.variables, f"there is a variable `{name}`")
        for name, variable in self.variables.items():
            if variable["type"] != "query":
                continue
            about = f"variable `{name}`"
            self.require(variable.get("datasource") == SOURCE, f"{about} uses the data source that is selected")
            self.require(variable.get("label") == name.title(), f"{about} is labelled {name.title()}")
            self.require(variable.get("multi") and variable.get("includeAll"), f"{about} can be several and all")
            self.require(variable.get("refresh") == 2, f"{about} is read again when the time range changes (2)")
            every = [".+"] if name in ("job", "instance") else [".+", ".*"]
            self.require(variable.get("allValue") in every, f"{about} stands for all as {' or '.join(every)}")
            query = variable.get("query", {}).get("query", "")
            self.require(LABEL_VALUES.fullmatch(query), f"{about} is a label_values query")
            self.require(query == variable.get("definition"), f"{about} shows the query that it makes")
            self.require(f"${name}" in text, f"{about} is used by a panel")
            self.check_variables_known(query, about)

    def check_variables_known(self, query, about):
        for match in VARIABLE.finditer(query):
            name = next(filter(None, match.groups()))
            self.require(name in self.variables or name in BUILT_IN, f"{about} uses `{name}`, which is no variable")

    def check_layout(self):
        ids = [panel.get("id") for panel in self.panels]
        self.require(None not in ids and len(set(ids)) == len(ids), "each panel has an id of its own")
        titles = [panel.get("title") for panel in self.panels]
        self.require(len(set(titles)) == len(titles), "each panel has a title of its own")
        taken = {}
        for panel in self.panels:
            at = panel["gridPos"]
            self.require(at["x"] >= 0 and at["x"] + at["w"] <= 24, f"`{panel['title']}` is within the 24 columns")
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    other = taken.setdefault((x, y), panel["title"])
                    if other != panel["title"]:
                        self.wrong.append(f"`{panel['title']}` overlaps `{other}`")
                        return

    def check_panel(self, panel):
        about = f"panel `{panel.get('title') or panel.get('id')}`"
        self.require(bool(panel.get("title")), f"{about} has a title")
        self.require(bool(panel.get("description")), f"{about} has a description")
        self.require(panel.get("datasource") == SOURCE, f"{about} uses the data source that is selected")
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        self.require(unit in UNITS, f"{about} has a unit, not {unit}")
        targets = panel.get("targets", [])
        self.require(bool(targets), f"{about} asks for something")
        references = [target.get("refId") for target in targets]
        self.require(len(set(references)) == len(references), f"{about} tells its queries apart by refId")
        for target in targets:
            self.require(target.get("datasource") == SOURCE, f"{about} asks the data source that is selected")
            if panel["type"] == "timeseries":
                self.require(bool(target.get("legendFormat")), f"{about} names its lines")
            self.check_query(target.get("expr", ""), about)

    def check_query(self, query, about):
        self.check_variables_known(query, about)
        selectors = list(SELECTOR.finditer(query))
        self.require(bool(selectors), f"{about} asks for metrics: {query}")
        outside = SELECTOR.sub(" ", query)
        self.require("tidegauge_" not in outside, f"{about} narrows down every metric: {query}")
        for selector in selectors:
            metric, matchers = selector.groups()
            for name in ("job", "instance"):
                self.require(f'{name}=~"${name}"' in matchers, f"{about} matches `{name}` in {selector[0]}")
            before, after = query[: selector.start()], query[selector.end() :]
            ranged = re.match(r"\s*\[([^\]]*)\]", after)
            function = re.search(r"(\w+)\(\s*$", before)
            of_counter = bool(function) and function[1] in ("rate", "irate", "increase")
            if metric.endswith("_total"):
                self.require(bool(ranged) and of_counter, f"{about} takes the rate of the counter {metric}")
            elif of_counter:
                self.wrong.append(f"{about} takes the rate of {metric}, which is no counter")
            if ranged and of_counter:
                self.require(ranged[1] == "$__rate_interval", f"{about} uses $__rate_interval for {metric}")

    def filled_in(self, query):
        """A query as Grafana would send it with everything selected."""

        def value(match):
            name = next(filter(None, match.groups()))
            return BUILT_IN.get(name) or self.variables[name]["allValue"]

        return VARIABLE.sub(value, query)

    def ask_all(self, prometheus, expected):
        known = [panel["title"] for panel in self.queried()]
        for title in sorted(expected - set(known) - {"all"}):
            self.wrong.append(f"data is expected of `{title}`, which is no panel")
        for name, variable in self.variables.items():
            if variable["type"] == "query":
                metric, label = LABEL_VALUES.fullmatch(variable["query"]["query"]).groups()
                # Without matchers label_values takes a bare metric, which is a query as well.
                found = self.ask(prometheus, f"count by ({label}) ({self.filled_in(metric)})", f"variable `{name}`")
                print(f"{shown(found)}  variable `{name}`")
                self.require(found != 0 or not expected, f"variable `{name}` has something to choose from")
        for panel in self.queried():
            about, total = f"panel `{panel['title']}`", 0
            for target in panel["targets"]:
                query = self.filled_in(target["expr"])
                found = self.ask(prometheus, query, about)
                total += found or 0
                print(f"{shown(found)}  {about}: {query}")
            if expected & {panel["title"], "all"}:
                self.require(total > 0, f"{about} has data")

    def ask(self, prometheus, query, about):
        """How many series Prometheus answers with, or `None` after an error."""
        form = urllib.parse.urlencode({"query": query}).encode()
        try:
            try:
                response = urllib.request.urlopen(f"{prometheus}/api/v1/query", form, timeout=30)
            except urllib.error.HTTPError as refusal:
                # What is wrong with the query is told in the body.
                response = refusal
            with response:
                answer = json.load(response)
        except (OSError, ValueError) as error:
            sys.exit(f"cannot ask {prometheus}: {error}")
        if answer.get("status") != "success" or answer.get("warnings"):
            self.wrong.append(f"{about}: {answer.get('error') or answer.get('warnings')}\n    {query}")
            return None
        return len(answer["data"]["result"])


def shown(found):
    return "error    " if found is None else f"{found:4} found"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dashboard", nargs="?", type=pathlib.Path, default=DASHBOARD)
    parser.add_argument("--prometheus", metavar="URL", type=lambda url: url.rstrip("/"))
    parser.add_argument("--expect-data", metavar="PANEL", nargs="+", default=[])
    arguments = parser.parse_args()
    if arguments.expect_data and not arguments.prometheus:
        parser.error("--expect-data needs --prometheus")
    dashboard = Dashboard(arguments.dashboard)
    dashboard.check()
    if arguments.prometheus and not dashboard.wrong:
        dashboard.ask_all(arguments.prometheus, set(arguments.expect_data))
    for what in dashboard.wrong:
        print(what, file=sys.stderr)
    print(f"{len(dashboard.queried())} panels, {len(dashboard.wrong)} problems")
    sys.exit(1 if dashboard.wrong else 0)


if __name__ == "__main__":
    main()
