"""placeholder"""


def render(verdict, record, findings):
    return ""
