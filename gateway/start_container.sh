#!/bin/sh
# Starts Envoy in a container: `start_container.sh envoy ARGUMENTS`. DEPLOYMENT and GATEWAY_TLS choose one of
# the configurations that gateway.config has written, and where it is live TLS has to end somewhere.
set -eu

refuse() {
  echo "gateway cannot start: $1" >&2
  exit 1
}

files=${GATEWAY_FILES:-/etc/caravel/gateway}
certificate=${GATEWAY_CERTIFICATE:-/etc/caravel/public}

case ${DEPLOYMENT:-} in
  sandbox | staging | live) ;;
  *) refuse "DEPLOYMENT must be sandbox, staging or live" ;;
esac

case ${GATEWAY_TLS:-none} in
  own)
    for file in tls.crt tls.key; do
      [ -s "$certificate/$file" ] && [ -r "$certificate/$file" ] \
        || refuse "GATEWAY_TLS is own, and $certificate/$file cannot be read; mount the certificate and its key there"
    done
    configuration=envoy-tls.yaml
    ;;
  in-front) configuration=envoy-behind-proxy.yaml ;;
  none)
    [ "$DEPLOYMENT" != live ] \
      || refuse "GATEWAY_TLS must be own, with a certificate, or in-front, where a load balancer ends TLS, for DEPLOYMENT=live"
    configuration=envoy.yaml
    ;;
  *) refuse "GATEWAY_TLS must be own, in-front or none" ;;
esac

configuration=$files/$configuration
if [ -n "${OTEL_EXPORTER_OTLP_ENDPOINT:-}" ]; then
  address=${OTEL_EXPORTER_OTLP_ENDPOINT#http://}
  address=${address%/}
  case $address in
    *[!A-Za-z0-9._:-]* | *:*:* | :* | *[!0-9]) refuse "OTEL_EXPORTER_OTLP_ENDPOINT must be http://host:port" ;;
  esac
  share=${OTEL_TRACES_SAMPLER_ARG:-1}
  case $share in
    1 | 1.0) share=1000000 ;;
    0 | 0.*)
      # As so many in a million.
      share=$(printf '%.6s' "$(printf '%s' "${share#0}" | tr -d .)000000")
      case $share in *[!0-9]*) refuse "OTEL_TRACES_SAMPLER_ARG must be from 0 to 1" ;; esac
      share=$((1$share - 1000000))
      ;;
    *) refuse "OTEL_TRACES_SAMPLER_ARG must be from 0 to 1" ;;
  esac
  traced=${TMPDIR:-/tmp}/envoy.yaml
  sed -e "s/collector\.invalid/${address%:*}/" -e "s/\"port_value\": 4317/\"port_value\": ${address##*:}/" \
    -e "s/\"numerator\": 1000000/\"numerator\": $share/" "$(dirname "$configuration")/traced-$(basename "$configuration")" > "$traced"
  configuration=$traced
fi

envoy=$1
shift
exec "$(dirname "$0")/start.sh" "$envoy" --config-path "$configuration" "$@"
