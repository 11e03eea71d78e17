"""The specification of the operators: runs, draws and writes their pages.

- `pages` finds the diagrams of a page, runs them, and writes the generated parts.
- `block` parses a diagram, `svg` draws it, `docstring` reads the contract of an operator.
"""
