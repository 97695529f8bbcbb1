"""template.yaml's path, and a list of parameters on standard input -> what SAM makes of it for each of them.

Run by SAM's own Python: the translator pins what the project needs newer. Printed are the different results, and for
each set of parameters the number of its result.
"""

import copy
import json
import logging
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """Managed policies by name: the template names none."""

    def load(self) -> dict[str, str]:
        return {}


def main() -> None:
    logging.disable(logging.CRITICAL)
    with open(sys.argv[1]) as file:  # noqa: PTH123  a few lines for another Python
        parsed = yaml_parse(file.read())
    for resource in parsed["Resources"].values():
        code = resource["Properties"].get("CodeUri", "s3://")
        if not code.startswith("s3://"):  # as `sam package` leaves it
            resource["Properties"]["CodeUri"] = f"s3://artifacts/{code}"
    templates: dict[str, int] = {}
    numbers = []
    for parameters in json.load(sys.stdin):
        expanded = json.dumps(transform(copy.deepcopy(parsed), parameters, NoManagedPolicies()), sort_keys=True)
        numbers.append(templates.setdefault(expanded, len(templates)))
    json.dump({"templates": [json.loads(text) for text in templates], "numbers": numbers}, sys.stdout)


main()
