"""How `manage.py doctor` says what it found: as text, as JSON, as a script for a DBA."""
