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

envoy=$1
shift
exec "$(dirname "$0")/start.sh" "$envoy" --config-path "$files/$configuration" "$@"
