"""Backups of a station: made while it runs, encrypted, checked after writing, and restored onto another machine.

A backup folder (a second disk, a USB stick) holds for every station a folder of its own::

    exam-backup-k3xf-whvq/
        recovery.json                       the backup identity, locked under the recovery code
        alive.json                          last sign of life of the station, signed, every ten seconds
        snapshot-000012-20261121T063106Z.age    database, settings and keys of one moment
        snapshot-000012-20261121T063106Z.json   what belongs to it, signed; written last
        files/3f/3f….age                    pictures, materials, candidates' files, packages, each once

Everything in `.age` is encrypted to the backup identity, which the station itself does not have: a stick that is
lost gives nothing away, and stick plus recovery code are all that another machine needs.
"""
