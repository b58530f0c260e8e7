"""`make mock`: the service, but what answers an operation are the contract's examples.

Everything else is the service's own: CORS, validation, every error, the published contract. So a page that
works with the mock is spoken to in the same words by the service, and an operation can be tried before there
is code for it.
"""

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from inflection import underscore

from app.main import create_app
from app.operation import ending, logs
from app.operation.drain import Drain
from app.operation.load import Load
from app.server import Server
from app.settings.reading import InvalidSettings
from app.settings.settings import Settings
from app.wire.contract import Contract


class Examples:
    """Has a method for each operation, as `Handlers` has: it answers an example of the success."""

    def __init__(self, contract: Contract) -> None:
        """Take the examples of a contract as it is deployed."""
        components = contract.document["components"]
        for item in contract.document["paths"].values():
            for operation in (node for node in item.values() if "operationId" in node):
                rule = contract.operations[operation["operationId"]]
                success = _component(components, operation["responses"][str(rule.success_status)])
                answers = success["content"][rule.media_type]["examples"]
                asked: Mapping[str, Any] = {}
                if rule.body:
                    body = _component(components, operation["requestBody"])
                    asked = next(iter(body["content"].values()))["examples"]
                method = partial(_answer, {name: found["value"] for name, found in answers.items()}, asked)
                setattr(self, underscore(operation["operationId"]), method)


def _component(components: Mapping[str, Any], reference: Mapping[str, str]) -> Any:
    kind, name = reference["$ref"].rsplit("/", 2)[1:]
    return components[kind][name]


def _answer(answers: Mapping[str, Any], asked: Mapping[str, Any], *arguments: Any) -> Any:
    """Answer by the example of the same name, if the request is one of the examples; else by the first."""
    sent = arguments[0] if arguments else {}
    matching = [name for name in answers if name in asked and asked[name]["value"].items() <= sent.items()]
    return answers[max(matching, key=lambda name: len(asked[name]["value"]), default=next(iter(answers)))]


def main() -> None:
    """Answer until a signal says stop."""
    ending.end_when_told()
    try:
        settings = Settings.from_environment()
    except InvalidSettings as error:
        sys.exit(f"The environment cannot be used:\n{error}")
    log = logs.configure(settings.log_level, settings.log_format)
    drain, load = Drain(), Load()
    app = create_app(settings, drain=drain, load=load, log=log, answering=Examples)
    Server(app, settings, drain, load).run()


if __name__ == "__main__":
    main()
