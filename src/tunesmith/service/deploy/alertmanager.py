"""Who is told of alerts: a file for Alertmanager, whose receivers are the user's to fill in."""

from __future__ import annotations


def receivers() -> str:
    """``alertmanager.yml``: valid as it is, and tells nobody."""
    return """\
# Alerts are seen at http://127.0.0.1:9093, and sent to nobody until a receiver below is filled in.
route:
  receiver: yours
  group_by: [alertname, product]
  repeat_interval: 4h
receivers:
  - name: yours
    # webhook_configs:
    #   - url: https://chat.example/hook
    # email_configs:
    #   - to: ops@example.com
    #     from: tunesmith@example.com
    #     smarthost: mail.example:587
"""
