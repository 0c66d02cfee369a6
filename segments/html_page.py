"""The frame of every page that a command writes: no scripts, no fonts, no pictures from elsewhere."""

from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --quiet: #687385; --line: #d9dee6; --paper: #fff; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --quiet: #98a2b3; --line: #333b48; --paper: #14181f;
  --bad: #f2867e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
.bad { color: var(--bad); }
""".strip()


def html_page(title: str, body: str, style: str = "") -> str:
    """Return a whole page: `title` is plain text and becomes its heading, `body` is HTML, `style` more of CSS.

    >>> "<h1>a &lt; b</h1>" in html_page("a < b", "<p>c</p>")
    True
    """
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f"""<!doctype html>
<html lang="en">
<head>{head}
<style>{_STYLE}
{style}</style></head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""
