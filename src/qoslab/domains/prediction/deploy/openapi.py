"""The server described in OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from qoslab.domains.prediction.deploy.questions import Batch, Measurements, Question, Wanted

__all__ = ["describe"]

_POSTS: dict[str, tuple[type[BaseModel], str, str]] = {
    "/predict": (Question, "one prediction with its intervals", "Prediction"),
    "/predict/batch": (Batch, "several predictions, in the order of the pairs", "Predictions"),
    "/best": (Wanted, "the services that most probably meet all limits", "Best"),
    "/measurements": (Measurements, "keep measurements on the disk and take them in", "Taken"),
}
_GETS = {
    "/health": "whether the server answers",
    "/model": "what the model is",
    "/metrics": "counters in Prometheus' text format",
    "/openapi.json": "this description",
}
_REFUSALS = {
    "403": "a browser asks for a web page: the request has the header Origin, or Sec-Fetch-Site",
    "404": "an unknown user or service without its context",
    "413": "the body is too large",
    "422": "a field is wrong; each is named",
    "429": "too many requests from one address",
    "507": "the disk is full, or there is no room for so many new users and services; nothing was taken in",
}


def describe(about: Mapping[str, Any]) -> dict[str, Any]:
    """The description as a JSON object.

    Args:
        about: The model; its parameters stand in the summary.
    """
    forms = [form for form, _, _ in _POSTS.values()]
    _, found = models_json_schema(
        [(form, "validation") for form in forms], ref_template="#/components/schemas/{model}"
    )
    schemas = {**found.get("$defs", {}), **_answers()}
    paths: dict[str, Any] = {
        path: {
            "get": {
                "summary": summary,
                "responses": {
                    "200": {"description": summary},
                    **{
                        status: {"description": _REFUSALS[status], "content": _json("Refusal")}
                        for status in ("403", "429")
                    },
                },
            }
        }
        for path, summary in _GETS.items()
    }
    for path, (form, summary, answer) in _POSTS.items():
        paths[path] = {
            "post": {
                "summary": summary,
                "requestBody": {"required": True, "content": _json(form.__name__)},
                "responses": {"200": {"description": summary, "content": _json(answer)}}
                | {
                    code: {"description": why, "content": _json("Refusal")} for code, why in _REFUSALS.items()
                },
            }
        }
    title = f"QoS predictions ({', '.join(about['parameters'])}) by {about['method']}"
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _answers() -> dict[str, Any]:
    number, text = {"type": "number"}, {"type": "string"}
    ends = _object(value=number, lower=number, upper=number)
    shared = {
        "basis": {"enum": ["model", "context", "population"]},
        "parameters": {"type": "object", "additionalProperties": ends},
    }
    prediction = _object(user=text, service=text, level=number, **shared)
    return {
        "Prediction": prediction,
        "Predictions": _object(predictions=_list(prediction)),
        "Best": _object(
            user=text,
            level=number,
            left_out={
                "type": "integer",
                "description": "services that cannot meet the limits, where they leave fewer than k",
            },
            judged_by=text,
            services=_list(_object(service=text, probability=number, **shared)),
        ),
        "Taken": _object(taken={"type": "integer"}, duplicate={"type": "boolean"}),
        "Refusal": _object(errors=_list(_object(field=text, message=text))),
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
