# Xinyi Hub: everything a developer or a machine does with the source tree. `make` lists it.
# Needs make and Python 3.11 or newer; what else is missing is installed from locks, or by apt where we are root.

UV_VERSION := 0.13.9
PY := .venv/bin/python
UV_INSTALL := UV_PYTHON_DOWNLOADS=never .venv/bin/uv pip install --quiet --python $(PY) --require-hashes
UV_COMPILE := UV_PYTHON_DOWNLOADS=never .venv/bin/uv pip compile --quiet --universal --generate-hashes \
	--no-emit-index-url --no-header --python-version 3.11
APT := DEBIAN_FRONTEND=noninteractive apt-get
# What the pages load, from node_modules/ to gateway/static/vendor/: nothing comes from the internet.
VENDOR := gateway/static/vendor
VENDOR_FILES := htmx.org/dist/htmx.min.js swagger-ui-dist/swagger-ui-bundle.js \
	swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt swagger-ui-dist/swagger-ui.css

# root_with_apt: a shell condition. apt_or_say(packages, what is missing): install them, or say so and go on.
root_with_apt = [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null
apt_or_say = if $(root_with_apt) && $(APT) update -qq && $(APT) install -y -qq --no-install-recommends $(1) \
	>/dev/null; then :; else echo "缺少 $(1)：$(2)。请由管理员安装。/ $(1) not installed: $(3)." >&2; fi

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev assets demo test check reference bench load lock clean browser interop wrk
.DELETE_ON_ERROR:

help: ## 列出所有命令 / list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.run.stamp ## 安装运行所需 / install what the hub runs on, into .venv

setup-dev: .venv/.dev.stamp ## 安装测试所需 / install what tests and checks need on top

assets: $(VENDOR)/.stamp ## 前端库复制到本地 / front-end libraries into gateway/static/vendor

demo: setup assets ## 完整演示，ONCE=1 演一遍即退出 / the whole story on one machine (ONCE=1: once, then exit)
	@$(PY) -m gateway demo $(if $(filter-out 0,$(ONCE)),--once)

test: check assets interop browser ## 检查与全部测试 / the checks and every test
	@$(PY) -m pytest -n 3 --dist loadfile $(PYTEST_ARGS)

check: setup-dev ## 静态检查 / ruff, mypy, import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

reference: setup ## 生成信息项目参考 / docs/datasets.md, made anew from the contracts and rules
	@$(PY) -m gateway reference > docs/datasets.md

bench: setup-dev assets wrk ## 性能测量 / the benchmark, in numbers for this machine
	@$(PY) -m loadtests.bench

bench-intake: setup-dev wrk ## 接收速度，SIZE=--quick 或 --full / how fast files come in (SIZE=--quick or --full)
	@$(PY) -m loadtests.bench_intake $(SIZE)
	@$(PY) -m loadtests.bench_indicators

load: setup-dev assets ## 压力测试 / Locust scenarios
	@$(PY) -m loadtests

lock: .venv/bin/uv ## 更新依赖锁 / renew the locks from the .in files and package.json (UPGRADE=1: newest versions)
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.lock
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) -c requirements.lock requirements-dev.in -o requirements-dev.lock
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) requirements-assets.in -o requirements-assets.lock
	@if command -v npm >/dev/null; then npm install --package-lock-only --ignore-scripts; fi

clean: ## 删除生成物，保留 var/ 数据 / remove all that was installed or built; data in var/ stays
	rm -rf .venv node_modules $(VENDOR) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +

# --- how the targets above come about; each stamp is older than its lock only when there is something to do

.venv/bin/uv:
	@python=$$(for name in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
			&& command -v "$$name" && break; done); \
	if [ -z "$$python" ]; then \
		echo "需要 Python 3.11 或更新版本。/ Python 3.11 or newer is needed (make setup PYTHON=…)." >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		package=$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		if ! { $(root_with_apt) && $(APT) update -qq \
			&& $(APT) install -y -qq --no-install-recommends "$$package" >/dev/null; }; then \
			echo "缺少 $$package，请由管理员安装后重试。/ Install $$package as root and try again." >&2; exit 1; fi; fi; \
	"$$python" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Installed, not synchronised: a later `make demo` must not take away what the tests need.
.venv/.run.stamp: requirements.lock | .venv/bin/uv
	@$(UV_INSTALL) -r requirements.lock
	@touch $@

.venv/.dev.stamp: requirements-dev.lock | .venv/bin/uv
	@$(UV_INSTALL) -r requirements-dev.lock
	@touch $@ .venv/.run.stamp

.venv/.node.stamp: requirements-assets.lock | .venv/bin/uv
	@$(UV_INSTALL) -r requirements-assets.lock
	@touch $@

$(VENDOR)/.stamp: package.json package-lock.json .npmrc Makefile
	@command -v npm >/dev/null || $(MAKE) --no-print-directory .venv/.node.stamp
	@PATH="$$PATH:$(CURDIR)/.venv/bin" npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@rm -rf $(VENDOR) && mkdir -p $(VENDOR)
	@cp $(addprefix node_modules/,$(VENDOR_FILES)) $(VENDOR)/
	@rm -rf node_modules && touch $@

# After the assets, whose rule takes node_modules away.
interop: $(VENDOR)/.stamp node_modules/.interop.stamp

node_modules/.interop.stamp: package.json package-lock.json .npmrc
	@PATH="$$PATH:$(CURDIR)/.venv/bin" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

browser:
	@command -v chromium >/dev/null && [ -n "$$(find /usr/share/fonts -iname 'NotoSansCJK*' 2>/dev/null)" ] \
		|| { $(call apt_or_say,chromium fonts-noto-cjk,跳过浏览器测试,browser tests will be skipped); }

wrk:
	@command -v wrk >/dev/null || { $(call apt_or_say,wrk,无法测量,the benchmark cannot measure); }
