"""The given names of the simulated shop's customers: names of Europe, mixed, one per number."""

from __future__ import annotations

FIRST_NAMES = (
    *("Ada", "Adam", "Agata", "Alba", "Albert", "Alessia", "Alice", "Alma", "Amélie", "Ana"),
    *(
        "Anders",
        "Andrea",
        "Anja",
        "Anna",
        "Anouk",
        "Anton",
        "Antonia",
        "Arthur",
        "Astrid",
        "Aurora",
    ),
    *(
        "Axel",
        "Barbara",
        "Bartek",
        "Beatriz",
        "Ben",
        "Benedikt",
        "Bianca",
        "Birgit",
        "Björn",
        "Bram",
    ),
    *("Camille", "Carla", "Carlos", "Carmen", "Cecilia", "Charlotte", "Chiara", "Chloé", "Clara"),
    *("Claudia", "Cora", "Dagmar", "Daniel", "Daria", "David", "Diana", "Diego", "Dominik", "Dora"),
    *("Dorota", "Edda", "Eero", "Elena", "Elif", "Elin", "Elisa", "Ella", "Elsa", "Emil", "Emma"),
    *("Enzo", "Erik", "Esther", "Eva", "Ewa", "Fabian", "Fanny", "Felix", "Femke", "Filip", "Finn"),
    *("Flora", "Florian", "Franz", "Freya", "Frida", "Gabriel", "Gaia", "Georg", "Gerda", "Giulia"),
    *("Greta", "Guido", "Gustav", "Hana", "Hanna", "Hannes", "Hedda", "Heidi", "Helena", "Henrik"),
    *("Hugo", "Ida", "Igor", "Ilse", "Ines", "Inga", "Irene", "Iris", "Isabel", "Ivan", "Jakob"),
    *("Jan", "Jana", "Jelena", "Jens", "Joana", "Johan", "Jonas", "Josef", "Judith", "Jules"),
    *("Julia", "Kaja", "Karin", "Karl", "Kasia", "Katja", "Klara", "Konrad", "Lara", "Lars"),
    *("Laura", "Lea", "Leif", "Lena", "Leo", "Levi", "Lieke", "Lina", "Linus", "Lisa", "Livia"),
    *("Lorenzo", "Lotte", "Louis", "Luca", "Lucía", "Luise", "Luka", "Maja", "Malin", "Manon"),
    *("Marco", "Maria", "Marie", "Mario", "Marta", "Martin", "Mateo", "Mathilde", "Matteo", "Max"),
    *("Mia", "Michał", "Mila", "Milan", "Mira", "Moritz", "Nadia", "Nele", "Nico", "Nils", "Nina"),
    *("Noah", "Noor", "Nora", "Olga", "Oliver", "Olivia", "Oscar", "Otto", "Pablo", "Paula"),
    *("Pauline", "Pedro", "Peter", "Petra", "Pia", "Piotr", "Rafael", "Rita", "Robin", "Romy"),
    *("Rosa", "Ruben", "Sanne", "Sara", "Sebastian", "Selma", "Signe", "Simon", "Sofia", "Sophie"),
    *("Stella", "Sven", "Tamara", "Teresa", "Theo", "Thomas", "Tilda", "Tim", "Tomasz", "Tove"),
    *("Ulla", "Valentina", "Vera", "Victor", "Viola", "Wanda", "Willem", "Xenia", "Yara", "Zoé"),
)
SPREAD = 2_654_435_761
"""Knuth's multiplier: it takes neighbouring numbers far apart."""


def first_name(user_number: int) -> str:
    """The given name of a user; the same one always.

    >>> first_name(12_345) == first_name(12_345) != first_name(12_346)
    True
    """
    return FIRST_NAMES[(user_number * SPREAD >> 8) % len(FIRST_NAMES)]
