"""The work folder of a practical item: watched, sent to the station as versions, fetched again elsewhere."""
