"""Makes the worker's messages readable by protobuf as it is today, within the worker's environment.

The worker on PyPI is of 2020, and so is the code that was generated for its messages. It has to be in one
process with the app, whose protobuf does not take such code. It is made anew from its own descriptors.
"""

import ast
import tempfile
from pathlib import Path

import azure_functions_worker
from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

SITE = Path(azure_functions_worker.__file__).parent.parent
PREFIX = "azure_functions_worker/protos/"


def main() -> None:
    """Write each of the worker's generated modules anew."""
    own = [_descriptor(path) for path in sorted((SITE / PREFIX).rglob("*_pb2.py"))]
    names = {file.name for file in own}
    for file in own:
        file.name = PREFIX + file.name
        file.dependency[:] = [PREFIX + name if name in names else name for name in file.dependency]
    known = [
        FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        for module in (duration_pb2, timestamp_pb2)
    ]
    with tempfile.NamedTemporaryFile() as found:
        found.write(FileDescriptorSet(file=[*known, *own]).SerializeToString())
        found.flush()
        options = [f"--descriptor_set_in={found.name}", f"--python_out={SITE}"]
        status = protoc.main(["protoc", *options, *(file.name for file in own)])
    raise SystemExit(status)


def _descriptor(path: Path) -> FileDescriptorProto:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (text,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb"
    )
    return FileDescriptorProto.FromString(text)


if __name__ == "__main__":
    main()
