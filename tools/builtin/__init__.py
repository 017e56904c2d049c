"""Which tools come with Playhead?"""
