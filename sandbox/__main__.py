"""`python -m sandbox …`: make a province, serve its government log-in and its bank, play the story."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import httpx
import orjson
import typer

from sandbox import bank as demo_bank
from sandbox import bank_transfer as transfers
from sandbox import business_licence as licences
from sandbox import data_owner as real_estate
from sandbox import deliveries as other_owners
from sandbox import government_login as provider
from sandbox import province as synthetic
from sandbox import story as whole_story
from sandbox.browser import Browser
from sandbox.certificates import VALID_DAYS, write_certificates
from sandbox.hub_client import MutualTls
from sandbox.pages import serve

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="沙箱：省域合成数据、政务登录、演示银行、全流程故事。"
)

StateFolder = Annotated[Path, typer.Option(help="存放密钥与状态的文件夹")]
Host = Annotated[str, typer.Option(help="监听地址")]
Enterprises = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="province 写出的 enterprises.json")
]
HubJwks = Annotated[str, typer.Option(help="信易枢纽公钥集的地址")]
ClientId = Annotated[str, typer.Option(help="信易枢纽在此登记的名字")]
HubAddress = Annotated[str, typer.Option(help="信易枢纽的公开地址，须与其元数据中的 issuer 一致")]


@app.command()
def province(
    out: Annotated[Path, typer.Option(help="输出文件夹")],
    enterprises: Annotated[int, typer.Option(min=1, help="企业数")] = 2000,
    seed: Annotated[int, typer.Option(help="随机种子：同一种子得到同一省")] = 7,
    months: Annotated[int, typer.Option(min=1, help="纳税月数")] = 24,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m", "%Y%m"], help="纳税数据止于此月之前；默认本月")
    ] = None,
    dirty: Annotated[int, typer.Option(min=0, help="混入登记文件的问题行数")] = 12,
    others: Annotated[
        bool, typer.Option("--others/--no-others", help="也生成社保、公积金、水电、处罚、专利等其他数据")
    ] = True,
) -> None:
    """生成合成的江苏省：registration.csv、tax.csv、enterprises.json、summary.json，以及其他责任单位的数据。"""
    end = until or datetime.now(ZoneInfo("Asia/Shanghai"))
    span = synthetic.months_until(end.date(), months)
    summary = synthetic.write(out, count=enterprises, seed=seed, months=span, dirty=dirty)
    rows = (
        other_owners.write(out, count=enterprises, seed=seed, months=span, dirty=dirty // 6) if others else {}
    )
    typer.echo(
        f"{enterprises} 家企业（{summary['complete_enterprises']} 家数据完整），"
        f"登记 {summary['registration_rows']} 行（其中问题行 {dirty}），"
        f"纳税 {summary['tax_rows']} 行（{summary['tax_from']} 至 {summary['tax_to']}），"
        f"其他 {len(rows)} 项 {sum(rows.values())} 行 → {out}"
    )


@app.command()
def government_login(
    enterprises: Enterprises,
    state: StateFolder,
    port: int = 8001,
    host: Host = "127.0.0.1",
    redirect_uri: Annotated[
        str, typer.Option(help="登记的回调地址，逐字符核对")
    ] = "http://127.0.0.1:8000/portal/callback",
    hub_jwks: HubJwks = "http://127.0.0.1:8000/jwks",
    client_id: ClientId = "xinyi-hub",
    issuer: Annotated[str | None, typer.Option(help="本服务的 issuer；默认 http://HOST:PORT")] = None,
) -> None:
    """江苏政务服务网法人登录（OpenID Connect）的替身。"""
    site = provider.open_provider(
        issuer=issuer or f"http://{host}:{port}",
        redirect_uri=redirect_uri,
        enterprises=enterprises,
        state=state,
        hub_jwks=hub_jwks,
        client_id=client_id,
    )
    typer.echo(f"政务服务网登录（沙箱）：http://{host}:{port}")
    serve(site, host, port)


@app.command()
def business_licence(
    enterprises: Enterprises,
    state: StateFolder,
    port: int = 8004,
    host: Host = "127.0.0.1",
    redirect_uri: Annotated[
        str, typer.Option(help="登记的回调地址，逐字符核对")
    ] = "http://127.0.0.1:8000/portal/callback/licence",
    hub_jwks: HubJwks = "http://127.0.0.1:8000/jwks",
    client_id: ClientId = "xinyi-hub",
    issuer: Annotated[str | None, typer.Option(help="本服务的 issuer；默认 http://HOST:PORT")] = None,
) -> None:
    """电子营业执照（OpenID4VP）的替身。"""
    site = licences.open_service(
        issuer=issuer or f"http://{host}:{port}",
        redirect_uri=redirect_uri,
        enterprises=enterprises,
        state=state,
        hub_jwks=hub_jwks,
        client_id=client_id,
    )
    typer.echo(f"电子营业执照（沙箱）：http://{host}:{port}")
    serve(site, host, port)


@app.command()
def bank_transfer(
    enterprises: Enterprises,
    port: int = 8005,
    host: Host = "127.0.0.1",
    hub_jwks: HubJwks = "http://127.0.0.1:8000/jwks",
    client_id: ClientId = "xinyi-hub",
) -> None:
    """对公打款与企业网银的替身。"""
    url = f"http://{host}:{port}"
    site = transfers.open_service(url=url, enterprises=enterprises, hub_jwks=hub_jwks, client_id=client_id)
    typer.echo(f"对公打款（沙箱）：{url}")
    serve(site, host, port)


@app.command()
def data_owner(
    enterprises: Enterprises,
    state: StateFolder,
    port: int = 8003,
    host: Host = "127.0.0.1",
) -> None:
    """不动产登记机构的替身：经共享交换接口实时答复查封信息。"""
    site = real_estate.open_data_owner(enterprises, state)
    url = f"http://{host}:{port}"
    typer.echo(f"不动产登记（沙箱）：{url}")
    typer.echo(f"HUB_OWNERS='{real_estate.setting_for_the_hub(url, state)}'")
    serve(site, host, port)


@app.command()
def owner_key(
    state: StateFolder, url: Annotated[str, typer.Option(help="该机构的地址")] = "http://127.0.0.1:8003"
) -> None:
    """生成不动产登记机构与信易枢纽共用的密钥；输出 HUB_OWNERS 的值。"""
    real_estate.exchange_key(state)
    typer.echo(real_estate.setting_for_the_hub(url, state))


@app.command()
def bank_keys(state: StateFolder) -> None:
    """生成演示银行的密钥；bank-jwks.json 供信易枢纽登记。"""
    demo_bank.prepare_keys(state)
    typer.echo(f"client_id {demo_bank.CLIENT_ID}，公钥 {state / demo_bank.JWKS_FILE}")


@app.command()
def certificates(out: Annotated[Path, typer.Option(help="输出文件夹")]) -> None:
    """签发沙箱用的双向 TLS 证书：ca.pem、hub.pem、hub.key、bank.pem、bank.key。"""
    write_certificates(out, demo_bank.CLIENT_ID)
    typer.echo(f"证书已写入 {out}，{VALID_DAYS} 天内有效")


@app.command()
def bank(
    state: StateFolder,
    hub: HubAddress = "http://127.0.0.1:8000",
    port: int = 8002,
    host: Host = "127.0.0.1",
    hub_mtls: Annotated[str | None, typer.Option(help="信易枢纽的双向 TLS 地址")] = None,
    ca: Annotated[Path | None, typer.Option(exists=True, help="信任的根证书")] = None,
    cert: Annotated[Path | None, typer.Option(exists=True, help="银行的客户端证书")] = None,
    key: Annotated[Path | None, typer.Option(exists=True, help="该证书的私钥")] = None,
) -> None:
    """演示银行。"""
    mutual_tls = None
    if hub_mtls or ca or cert or key:
        if not (hub_mtls and ca and cert and key):
            raise typer.BadParameter("--hub-mtls、--ca、--cert、--key 须同时给出")
        mutual_tls = MutualTls(hub_mtls, ca, cert, key)
    site = demo_bank.open_bank(hub, state, mutual_tls)
    typer.echo(f"演示银行：http://{host}:{port}")
    serve(site, host, port)


@app.command()
def story(
    enterprises: Enterprises,
    hub: HubAddress = "http://127.0.0.1:8000",
    bank: Annotated[str, typer.Option(help="演示银行的地址")] = "http://127.0.0.1:8002",
    login: Annotated[str, typer.Option(help="政务服务网登录的地址")] = "http://127.0.0.1:8001",
    seed: Annotated[int | None, typer.Option(help="选企业的随机种子；默认每次不同")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="步骤之间不停顿")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="只输出一份 JSON")] = False,
    leave_open: Annotated[
        Path | None, typer.Option(dir_okay=False, help="最后另留一份有效授权，把其编号与企业代码写入此文件")
    ] = None,
) -> None:
    """把整个故事演一遍；有一步不符即停，退出码 1。"""
    try:
        enterprise, stranger = whole_story.cast(enterprises, seed)
    except whole_story.StoryError as failure:
        raise typer.BadParameter(str(failure)) from failure
    told: list[whole_story.Played] = []
    browser = Browser()
    with httpx.Client(base_url=bank, timeout=60.0, trust_env=False) as client:
        stage = whole_story.Story(hub.rstrip("/"), login.rstrip("/"), client, browser, enterprise, stranger)

        def tell(played: whole_story.Played) -> None:
            told.append(played)
            if not as_json:
                _print_step(played, stage)

        steps = [*whole_story.STEPS, *([whole_story.LEFT_OPEN] if leave_open else [])]
        pause = 0 if fast or as_json else whole_story.AUDIENCE_PAUSE_SECONDS
        ok = whole_story.play(stage, steps, tell, pause=pause)
    browser.close()
    if ok and leave_open is not None:
        leave_open.write_bytes(orjson.dumps({"consent_id": stage.consent_id, "uscc": enterprise["uscc"]}))
    if as_json:
        report = {"ok": ok, "enterprise": enterprise["name"], "steps": [asdict(one) for one in told]}
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    elif ok:
        typer.echo(f"故事演完：{len(told)} 步全部符合。")
    raise typer.Exit(0 if ok else 1)


def _print_step(played: whole_story.Played, stage: whole_story.Story) -> None:
    mark = typer.style("✓", fg="green") if played.ok else typer.style("✗", fg="red")
    typer.echo(f"{mark} {played.number:>2} {played.title} … {played.seen}  [{played.milliseconds:.0f} ms]")
    sample = whole_story.SHOWS.get(played.title)
    if played.ok and sample:
        for line in whole_story.sample_lines(stage.answers[sample]):
            typer.echo(f"       {line}")


if __name__ == "__main__":
    app()
