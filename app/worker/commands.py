"""`python -m app worker`."""

from __future__ import annotations

import asyncio
import signal

from app import logs, metrics
from app.database.database import Database
from app.mail.intake import Mailbox
from app.mail.outgoing import MailSender
from app.settings import Settings
from app.webhooks.addresses import Guard
from app.webhooks.dispatch import Dispatcher
from app.webhooks.dispatch_sql import Target
from app.webhooks.sending import Sender, WebhookSender
from app.webhooks.signing import Secrets
from app.worker.jobs import table
from app.worker.office import office_of
from app.worker.runner import Worker

PROBE_SECONDS = 2.0


def worker() -> None:
    """Do what has to be done once: deadlines, deliveries, upkeep. Run it on every host; one is active.

    Needs CRM_DATABASE_URL; CRM_ZOOKEEPER with CRM_ZOOKEEPER_CA and CRM_ZOOKEEPER_CERTIFICATE to be elected
    there, else a lock in PostgreSQL (CRM_MIGRATION_URL, not through PgBouncer) elects.
    """
    settings = Settings.from_environment()
    logs.configure(settings)
    metrics.serve(settings.worker_metrics_listen)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Nobody waits for a worker's first failed statement: it need not know beforehand who answers.
    database = Database(settings.model_copy(update={"probe_seconds": PROBE_SECONDS}))
    office = office_of(settings)
    dispatcher = Dispatcher(senders_of(settings, database))
    holder = f"{settings.site}/{settings.host}"
    await database.open()
    try:
        await Worker(database, office, table(dispatcher), holder).run_until(stop)
    finally:
        # While the office is held nobody else's term keeps from being noted what is under way.
        await dispatcher.close()
        await office.close()
        await database.close()


def senders_of(settings: Settings, database: Database) -> dict[Target, Sender]:
    """Whatever the settings let us send by; the rest waits in its deliveries."""
    senders: dict[Target, Sender] = {}
    if settings.access_secret is not None:
        secrets = Secrets(settings.access_secret.get_secret_value())
        senders[Target.WEBHOOK] = WebhookSender(secrets, Guard.of(settings.webhook_networks))
    if settings.smtp is not None and settings.mail_addresses:
        senders[Target.MAIL] = MailSender(database, Mailbox.of(settings.mail_addresses), settings.smtp)
    return senders
