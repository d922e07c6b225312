# The agent of OpenBao (and of Vault, which reads the same) writes the secrets of providers as files:
# bao agent -config=bao-agent.hcl. It replaces each file as a whole, and so they are followed.
vault {
  address = "https://bao.example:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/etc/caravel/bao/role_id"
      secret_id_file_path = "/etc/caravel/bao/secret_id"
      # The agent would otherwise delete it after the first sign-in, and could not start again.
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  static_secret_render_interval = "30s"
  exit_on_retry_failure         = false
}

# One of these for each file; bao kv put secret/caravel/stripe api_key=… webhook_secrets=…
template {
  destination = "/etc/caravel/secrets/providers/stripe_api_key"
  contents    = "{{ with secret \"secret/data/caravel/stripe\" }}{{ .Data.data.api_key }}{{ end }}"
  perms       = "0400"
  user        = "10001"
  group       = "10001"
}

template {
  destination = "/etc/caravel/secrets/providers/stripe_webhook_secrets"
  contents    = "{{ with secret \"secret/data/caravel/stripe\" }}{{ .Data.data.webhook_secrets }}{{ end }}"
  perms       = "0400"
  user        = "10001"
  group       = "10001"
}
