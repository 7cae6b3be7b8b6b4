"""How an accompaniment sounds, in figures and pictures: for tools/score_songs, tools/sound_page and tools/picture."""


class Failed(Exception):
    """What was found, where, and what to do, for a person."""
