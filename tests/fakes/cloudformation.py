"""A template and values for its parameters -> the resources as CloudFormation would ask AWS for them.

As much of CloudFormation as the templates here use, and stricter than it: a name that does not exist, or one whose
condition does not hold, raises KeyError instead of failing half-way through a deployment.
"""

import re
from collections.abc import Mapping
from typing import Any

PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "obesity-levels-dev",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/obesity-levels-dev/1",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()


class Stack:
    """A template with values for its parameters.

    Args:
        template: As JSON.
        parameters: Values where they are not the defaults.
        names: What `Ref` of a resource and `GetAtt` ("Name.Attribute") give; else the words themselves.
    """

    def __init__(
        self, template: Mapping[str, Any], parameters: Mapping[str, str], names: Mapping[str, str] | None = None
    ) -> None:
        self._template = template
        declared = template.get("Parameters", {})
        if unknown := parameters.keys() - declared.keys() - PSEUDO.keys():
            raise KeyError(*unknown)
        defaults = {name: str(parameter["Default"]) for name, parameter in declared.items() if "Default" in parameter}
        self.parameters = PSEUDO | defaults | parameters
        self._names = names or {}
        self._present = {
            name
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }
        self.resources: dict[str, Any] = {
            name: self.value({key: part for key, part in resource.items() if key != "Condition"})
            for name, resource in template["Resources"].items()
            if name in self._present
        }
        self.outputs: dict[str, Any] = {
            name: self.value(output["Value"]) for name, output in template.get("Outputs", {}).items()
        }

    def of(self, kind: str) -> dict[str, Any]:
        """The properties of all resources of one type, by name."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def holds(self, condition: str) -> bool:
        """Whether a condition of the template does."""
        return bool(self.value(self._template["Conditions"][condition]))

    def refusals(self) -> list[str]:
        """What the template's rules say against these parameters."""
        return [
            assertion["AssertDescription"]
            for rule in self._template.get("Rules", {}).values()
            if self.value(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self.value(assertion["Assert"])
        ]

    def value(self, node: Any) -> Any:
        """A piece of the template with every function carried out."""
        if isinstance(node, list):
            return [value for item in node if (value := self.value(item)) is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref":
                return self._ref(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.holds(argument)
            if name.startswith("Fn::"):
                return self._function(name.removeprefix("Fn::"), argument)
        return {key: value for key, part in node.items() if (value := self.value(part)) is not NOTHING}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        if name in self.parameters:
            return self.parameters[name]
        return self._attribute(name, "")

    def _attribute(self, name: str, attribute: str) -> str:
        if name not in self._present:
            raise KeyError(name)
        whole = f"{name}.{attribute}" if attribute else name
        return self._names.get(whole, whole)

    def _function(self, name: str, argument: Any) -> Any:
        if name == "If":
            condition, then, otherwise = argument
            return self.value(then if self.holds(condition) else otherwise)
        if name == "Sub":
            return self._sub(argument)
        if name == "GetAtt":
            resource, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
            return self._attribute(resource, attribute)
        operands = self.value(argument)
        if name == "Split":
            return operands[1].split(operands[0])
        if name == "Equals":
            return operands[0] == operands[1]
        logic = {"Not": lambda conditions: not conditions[0], "And": all, "Or": any}
        return logic[name](operands)

    def _sub(self, argument: Any) -> str:
        text, more = argument if isinstance(argument, list) else (argument, {})

        def replaced(variable: re.Match[str]) -> str:
            name = variable[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in more:
                return str(self.value(more[name]))
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", replaced, text)
