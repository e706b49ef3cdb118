"""The list of models in the shape of this format."""

import json

from omniroute.formats import openai_chat


def test_models_have_the_shape_that_sdks_read():
    entry = openai_chat.ModelEntry(id="acme/plain", owned_by="acme")
    shape = {"id": "acme/plain", "object": "model", "created": 0, "owned_by": "acme"}
    assert json.loads(openai_chat.model_entry(entry)) == shape
    listed = json.loads(openai_chat.model_list([entry, entry]))
    assert listed == {"object": "list", "data": [shape, shape]}
