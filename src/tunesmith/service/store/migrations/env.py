"""Read by Alembic: runs the migrations on the connection that ``migrate`` hands over."""

from __future__ import annotations

from alembic import context

from tunesmith.service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, as ``writing`` begins its transactions itself
    render_as_batch=True,
)
context.run_migrations()
