"""Cities and countries a posting may name without saying "location": the name in use, then other spellings."""

from typing import Final

PLACES: Final[tuple[str, ...]] = (
    "London", "Manchester", "Birmingham", "Leeds", "Glasgow", "Edinburgh", "Bristol", "Liverpool", "Cambridge", "Oxford", "Cardiff",
    "Belfast", "Sheffield", "Nottingham", "Dublin", "Cork", "Galway", "New York", "New York City", "San Francisco", "Los Angeles",
    "Seattle", "Boston", "Chicago", "Austin", "Denver", "Dallas", "Houston", "Atlanta", "Miami", "Portland", "San Diego", "San José",
    "San Jose", "Philadelphia", "Phoenix", "Pittsburgh", "Washington", "Toronto", "Vancouver", "Montréal", "Montreal", "Ottawa", "Calgary",
    "Québec", "Sydney", "Melbourne", "Brisbane", "Perth", "Auckland", "Wellington", "Singapore", "Hong Kong", "Tokyo", "Bangalore",
    "Bengaluru", "Mumbai", "Delhi", "Hyderabad", "Pune", "Chennai", "Dubai", "Tel Aviv", "Cape Town", "Johannesburg", "Nairobi", "Lagos",
    "Berlin", "Hamburg", "München", "Munich", "Köln", "Cologne", "Frankfurt", "Frankfurt am Main", "Stuttgart", "Düsseldorf", "Leipzig",
    "Dresden", "Hannover", "Nürnberg", "Nuremberg", "Bremen", "Essen", "Dortmund", "Karlsruhe", "Mannheim", "Bonn", "Münster", "Freiburg",
    "Augsburg", "Jena", "Rostock", "Kiel", "Aachen", "Kassel", "Ulm", "Regensburg", "Wien", "Vienna", "Graz", "Linz", "Salzburg",
    "Innsbruck", "Zürich", "Zurich", "Genf", "Genève", "Geneva", "Basel", "Bern", "Lausanne", "Luzern", "Lugano", "Luxembourg", "Luxemburg",
    "Madrid", "Barcelona", "Valencia", "Sevilla", "Zaragoza", "Málaga", "Bilbao", "Murcia", "Palma", "Granada", "Alicante", "Vigo",
    "Ciudad de México", "Guadalajara", "Monterrey", "Bogotá", "Medellín", "Buenos Aires", "Santiago de Chile", "Santiago", "Lima", "Quito",
    "Montevideo", "Córdoba", "Paris", "Lyon", "Marseille", "Toulouse", "Nice", "Nantes", "Bordeaux", "Lille", "Rennes", "Strasbourg",
    "Montpellier", "Grenoble", "Dijon", "Angers", "Bruxelles", "Brussels", "Brüssel", "Liège", "Gand", "Gent", "Antwerpen", "Antwerp",
    "Amsterdam", "Rotterdam", "Utrecht", "Eindhoven", "Den Haag", "The Hague", "Groningen", "Delft", "Milano", "Milan", "Roma", "Rome",
    "Torino", "Turin", "Bologna", "Firenze", "Florence", "Napoli", "Lisboa", "Lisbon", "Porto", "Braga", "São Paulo", "Rio de Janeiro",
    "Oslo", "Bergen", "Trondheim", "Stavanger", "Stockholm", "Göteborg", "Gothenburg", "Malmö", "Uppsala", "Copenhagen", "København",
    "Aarhus", "Helsinki", "Tampere", "Espoo", "Reykjavík", "Tallinn", "Riga", "Vilnius", "Kaunas", "Warsaw", "Warszawa", "Kraków", "Krakow",
    "Wrocław", "Gdańsk", "Poznań", "Prague", "Praha", "Brno", "Bratislava", "Budapest", "Bucharest", "București", "Cluj-Napoca", "Sofia",
    "Athens", "Thessaloniki", "Zagreb", "Ljubljana", "Belgrade", "Istanbul", "Kyiv", "Lviv",
)  # fmt: skip

ORDINARY: Final = frozenset(
    {
        "Essen",
        "Nice",
        "Cork",
        "Bath",
        "Reading",
        "Santiago",
        "Washington",
        "Phoenix",
        "Portland",
        "Sofia",
        "Florence",
        "Perth",
        "Lima",
        "Córdoba",
        "Palma",
        "Valencia",
    }
)
"""Also ordinary words or people's names: taken only after a word of place, such as "in" or "Standort"."""
