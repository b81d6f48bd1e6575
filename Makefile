# Everything a person types. Each target installs what it lacks, can be repeated, and can be interrupted.
.DEFAULT_GOAL := help
.PHONY: help bootstrap up down status drill test test-unit test-lab lint bench dev

twinsite := .venv/bin/twinsite
# The drill that `make drill` runs, and under which load.
DRILL ?= site-loss
LOAD ?= steady

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

bootstrap: ## install what is missing on this machine: packages (as root), .venv
	@scripts/bootstrap

up: bootstrap ## boot both sites, install the system on them, wait until they are healthy (root)
	@$(twinsite) lab up
	@$(twinsite) provision
	@$(twinsite) status --wait 120

down: bootstrap ## remove the lab and everything of it but the image and the secrets (root)
	@$(twinsite) lab down

status: bootstrap ## the estate on one screen
	@$(twinsite) status

drill: bootstrap ## cut the power of the primary's site under load, and prove that nothing was lost (root)
	@$(twinsite) lab up
	@$(twinsite) provision --if-changed
	@$(twinsite) status --wait 120
	@$(twinsite) drill run $(DRILL) --load $(LOAD)

test: bootstrap ## every test: lint, unit, integration; as root also the lab and one drill
	@scripts/test

test-unit: bootstrap ## the tests that need neither root nor the lab
	@scripts/test unit

test-lab: bootstrap ## the tests of the provisioned lab (root)
	@scripts/test lab

lint: bootstrap ## ruff, mypy, ansible-lint
	@scripts/test lint

bench: bootstrap ## measure, and write reports/bench.json
	@.venv/bin/python -m benchmarks

dev: bootstrap ## the CRM API alone, on a PostgreSQL of its own, no lab, no root
	@.venv/bin/python -m app dev
