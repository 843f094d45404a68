"""Say what of a run may be written: contents as far as they are captured, and no secret."""

from __future__ import annotations

import json

from harness import semconv
from harness.canonical import canonical, encode
from harness.capture import Withholding
from harness.config import Capture
from harness.model import Json
from harness.redaction import Redaction

_BEFORE_TOLD = len('{"k":"",')


class Privacy:
    """What every text passes on its way to the journal, or to the program's own tracing."""

    def __init__(self, redaction: Redaction, capture: Capture = Capture.FULL) -> None:
        """*redaction* says what is secret, *capture* how much of the contents is kept."""
        self.redaction = redaction
        self.capture = capture
        self._withholding = None if capture is Capture.FULL else Withholding(capture, redaction.key)

    @property
    def whole(self) -> bool:
        """Whether contents are kept."""
        return self._withholding is None

    def body(self, body: Json) -> str:
        """Write a content as canonical JSON."""
        kept = body if self._withholding is None else self._withholding.body(body)
        return self.redaction.json(canonical(self.redaction.value(kept)))

    def attributes(self, attributes: dict[str, Json]) -> dict[str, Json]:
        """Keep of a span's *attributes* what is captured. Secrets go when the record is written."""
        return attributes if self._withholding is None else self._withholding.attributes(attributes)

    def record(self, record: dict[str, Json]) -> str:
        """Write a span's *record* as JSON."""
        return self.redaction.json(encode(self._cleaned(record)))

    def told(self, name: str, attributes: dict[str, Json]) -> str:
        """Write what a span's record says in words, its *name* and *attributes*, as members of a JSON object.

        The rest of a record is made here, and holds no secret.
        """
        record = self._cleaned({"k": "", "name": name, "attributes": attributes})
        return self.redaction.json(encode(record))[_BEFORE_TOLD:-1]

    def _cleaned(self, record: dict[str, Json]) -> dict[str, Json]:
        """Keep what the project's own rules let pass."""
        if not self.redaction.own:
            return record
        attributes = record["attributes"]
        own = {name: value for name, value in attributes.items() if name not in semconv.STRUCTURE}
        cleaned = {**attributes, **self.redaction.value(own)}
        return {**record, "name": self.redaction.value(record["name"]), "attributes": cleaned}

    def visible(self, record: dict[str, Json]) -> dict[str, Json]:
        """Give *record* as it is written, for others than the journal."""
        found: dict[str, Json] = json.loads(self.record(record))
        return found
