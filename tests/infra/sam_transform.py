"""Run by the Python of .venv-sam: a JSON list of SAM templates on stdin, what CloudFormation would get on stdout."""

import json
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

if __name__ == "__main__":
    templates = json.load(sys.stdin)
    json.dump([Translator({}, Parser()).translate(template, {}) for template in templates], sys.stdout)
