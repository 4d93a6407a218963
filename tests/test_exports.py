"""What students import: from the top level, all of it used, and light."""

import ast
import json

import course_utils


def imports(root):
    """Yield (notebook, module, name) of each import from course_utils in a notebook."""
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            lines = "".join(cell["source"]).splitlines()
            code = "\n".join(line for line in lines if not line.startswith(("%", "!")))
            if cell["cell_type"] != "code" or "course_utils" not in code:
                continue
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom) and node.module:
                    for alias in node.names:
                        yield path.name, node.module, alias.name
                elif isinstance(node, ast.Import):
                    for alias in node.names:
                        yield path.name, alias.name, ""


def test_notebooks_import_exported_names_from_the_top_level(root):
    ours = [found for found in imports(root) if found[1].split(".")[0] == "course_utils"]
    assert len(ours) > 100
    strangers = [
        found
        for found in ours
        if found[1] != "course_utils" or found[2] not in course_utils.__all__
    ]
    assert not strangers, "import from course_utils what its __all__ holds"


def test_every_exported_name_is_used(root):
    used = {name for _, module, name in imports(root) if module == "course_utils"}
    assert not set(course_utils.__all__) - used
    assert all(hasattr(course_utils, name) for name in course_utils.__all__)
    assert course_utils.__all__ == sorted(course_utils.__all__)


def test_no_module_is_too_long_to_read_in_one_sitting(root):
    places = [root / "course_utils", root / "tests", root / "tools"]
    lengths = {
        str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines())
        for place in places
        for path in place.rglob("*.py")
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > 400} == {}
