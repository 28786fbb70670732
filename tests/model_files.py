"""Model files for tests that read a network from its file but run no engine on it."""

from pathlib import Path

import onnx

from facetell.models.export import info_of
from facetell.models.network import ClipNetwork


def arrays_file(model: ClipNetwork, path: Path, **metadata: str) -> Path:
    """A file of a network's arrays and metadata without its graph: tracing the graph takes seconds."""
    state = {name: values for name, values in model.state_dict().items() if not name.startswith("anomaly.")}
    arrays = [onnx.numpy_helper.from_array(values.numpy(), name) for name, values in state.items()]
    proto = onnx.helper.make_model(onnx.helper.make_graph([], "arrays", [], [], arrays))
    onnx.helper.set_model_props(proto, {**info_of(model).to_metadata(), **metadata})
    onnx.save(proto, path)
    return path
