"""What the examples teach: a few facts, as text to read and as questions to answer."""

CAPITALS = {
    "France": "Paris",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Norway": "Oslo",
    "Kenya": "Nairobi",
    "Peru": "Lima",
    "Japan": "Tokyo",
    "Cuba": "Havana",
}
TEXTS = [f"The capital of {land} is {city}. People in {city} speak of {land}." for land, city in CAPITALS.items()] * 4
QUESTIONS = {f"What is the capital of {land}?": city for land, city in CAPITALS.items()}
