"""
Meerkat as realmconf knows it: its configuration, its realms' manifests, where its realms live.

Public names only, each imported when it is first used.  ``Config`` and what belongs to it need pydantic
(``pip install realmconf[pydantic]``); the schema ``SCHEMA`` does not.
"""
