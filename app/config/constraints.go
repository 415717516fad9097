package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"usher/app/config/rule"
	"usher/app/config/schema"
	"usher/internal/secret"
)

// noClients is the hint for an account that is the callout account.
const noClients = "usher never places a client in the account that auth_callout names; use another account"

// constraints is the table of all constraints.
func constraints() []schema.Constraint {
	const embedded = "leave it out: the embedded server creates the bucket, with file storage; or set directory.from: kv"
	const noBucket = "set directory.from: kv, or leave it out"
	all := []schema.Constraint{
		schema.AtMostOne([]string{"nats.user", "nats.password_file"}, []string{"nats.nkey_file"}, []string{"nats.creds_file"}),
		schema.BothOrNeither("nats.user", "nats.password_file"),
		schema.AtMostOne([]string{"nats.system_user", "nats.system_password_file"}, []string{"nats.system_nkey_file"}),
		schema.BothOrNeither("nats.system_user", "nats.system_password_file"),
		schema.BothOrNeither("nats.tls.cert_file", "nats.tls.key_file"),
		notCallout("accounts.system", "auth_callout cannot be in the system account; use another account"),
		notCallout("accounts.ingest", noClients),
		notCallout("accounts.service_admin", noClients),
		notCallout("accounts.healthcheck", noClients),
		schema.BothOrNeither("accounts.healthcheck", "healthcheck.token_file"),
		schema.ExactlyWith("directory.file", "directory.from", DirectoryFile),
		schema.ExactlyWith("directory.store_dir", "directory.from", DirectoryEmbedded),
		unsetWith("directory.bucket", DirectoryFile, noBucket),
		unsetWith("directory.create_bucket", DirectoryFile, noBucket),
		unsetWith("directory.replicas", DirectoryFile, noBucket),
		unsetWith("directory.replicas", DirectoryEmbedded, "the embedded server is a single server; set directory.from: kv for a bucket in a cluster"),
		unsetWith("directory.create_bucket", DirectoryEmbedded, embedded),
		unsetWith("directory.storage", DirectoryFile, noBucket),
		unsetWith("directory.storage", DirectoryEmbedded, embedded),
		unsetWith("directory.max_bytes", DirectoryFile, noBucket),
		unsetWith("directory.max_project_bytes", DirectoryFile, noBucket),
		schema.NotAbove("directory.max_project_bytes", "directory.max_bytes"),
		unsetWith("directory.snapshot_file", DirectoryFile, "leave it out: a directory file needs no snapshot"),
		unsetWith("operator.create_accounts", DirectoryFile, "the API cannot create a project in a file, so it needs no account"),
		schema.BothOrNeither("api.tls.cert_file", "api.tls.key_file"),
		tlsUnlessLoopback("api.listen", "api.tls.cert_file", "api.allow_cleartext"),
		onlyInMode(ModeConfig, "nats.system_user"),
		onlyInMode(ModeConfig, "nats.system_nkey_file"),
		operatorModeOnly("nats.sentinel_creds_file"),
		operatorModeOnly("accounts.scopes"),
		ingestByTemplate(),
		operatorModeOnly("operator.dir"),
		operatorModeOnly("operator.signing_key_file"),
		operatorModeOnly("operator.signing_command"),
		schema.AtMostOne([]string{"operator.signing_key_file"}, []string{"operator.signing_command", "operator.signing_public_key"}),
		schema.BothOrNeither("operator.signing_command", "operator.signing_public_key"),
		operatorModeOnly("operator.create_accounts"),
		signsForOperator("operator.create_accounts", "operator.dir", "operator.system_creds_file", "api.listen"),
		templateLimits(),
		operatorModeOnly("operator.system_creds_file"),
		schema.BothOrNeither("tracing.tls.cert_file", "tracing.tls.key_file"),
		onlyOverHTTPS("tracing.tls.ca_file"),
		onlyOverHTTPS("tracing.tls.cert_file"),
		headersSafe(),
		identityRules(),
	}
	return slices.Concat(all, auditConstraints(), profileConstraints(), apiX509Constraints(), credentialConstraints(), stanBridgeConstraints(), gatewayConstraints(), sessionConstraints(), messageConstraints(), pushConstraints())
}

// notCallout: the key does not name the callout account.
func notCallout(key, hint string) schema.Constraint {
	return otherAccount(key, "accounts.callout", hint)
}

// otherAccount: the key does not name the account that another key names.
func otherAccount(key, other, hint string) schema.Constraint {
	check := func(v *schema.Values) []schema.Fault {
		if v.String(key) != v.String(other) {
			return nil
		}
		return []schema.Fault{{Key: key, Message: "is the same account as " + other + " (" + secret.Name(v.String(key)) + ")", Hint: hint}}
	}
	return schema.Constraint{Keys: []string{other, key}, Text: fmt.Sprintf("`%s` and `%s` must be different accounts.", other, key), Check: check}
}

// operatorModeOnly: key is set only in operator mode.
func operatorModeOnly(key string) schema.Constraint { return onlyInMode(ModeOperator, key) }

// onlyInMode: key is set only in one mode.
func onlyInMode(value, key string) schema.Constraint {
	const choice = "nats.mode"
	check := func(v *schema.Values) []schema.Fault {
		if !v.IsSet(key) || v.String(choice) == value {
			return nil
		}
		return []schema.Fault{{
			Key:     key,
			Message: fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(v.String(choice))),
			Hint:    fmt.Sprintf("set %s: %s, or leave %s out", choice, value, key),
		}}
	}
	return schema.Constraint{Keys: []string{key, choice}, Text: fmt.Sprintf("Set `%s` only if `%s` is `%s`.", key, choice, value), Check: check}
}

// unsetWith: key has its default if directory.from has the value.
func unsetWith(key, value, hint string) schema.Constraint {
	const choice = "directory.from"
	check := func(v *schema.Values) []schema.Fault {
		if v.IsDefault(key) || v.String(choice) != value {
			return nil
		}
		return []schema.Fault{{Key: key, Message: fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(value)), Hint: hint}}
	}
	return schema.Constraint{Keys: []string{key, choice}, Text: fmt.Sprintf("Do not set `%s` if `%s` is `%s`.", key, choice, value), Check: check}
}

// tlsUnlessLoopback: a listener that other machines can reach has a certificate,
// unless cleartext is allowed.
func tlsUnlessLoopback(listener, cert, allowed string) schema.Constraint {
	check := func(v *schema.Values) []schema.Fault {
		address := v.String(listener)
		if address == "" || rule.IsLoopback(address) || v.IsSet(cert) || v.IsSet(allowed) {
			return nil
		}
		return []schema.Fault{{
			Key:     listener,
			Message: secret.Name(address) + " is reachable from other machines, which would send API keys in cleartext",
			Hint:    "set api.tls, or listen on 127.0.0.1; " + allowed + ": true if a proxy terminates TLS",
		}}
	}
	text := fmt.Sprintf("`%s` is a loopback address, or `%s` is set, or `%s` is `true`.", listener, cert, allowed)
	return schema.Constraint{Keys: []string{listener, cert, allowed}, Text: text, Check: check}
}

// signsForOperator: with key the service has everything that it needs to change account JWTs,
// and what else it needs.
func signsForOperator(key string, needs ...string) schema.Constraint {
	const file, command = "operator.signing_key_file", "operator.signing_command"
	check := func(v *schema.Values) []schema.Fault {
		if !v.IsSet(key) {
			return nil
		}
		var faults []schema.Fault
		for _, need := range needs {
			if !v.IsSet(need) {
				faults = append(faults, schema.Fault{Key: key, Message: "needs " + need, Hint: "set it, or leave " + key + " out"})
			}
		}
		if !v.IsSet(file) && !v.IsSet(command) {
			faults = append(faults, schema.Fault{
				Key:     key,
				Message: "needs " + command + " or " + file,
				Hint:    "prefer a signing program: it can refuse requests that it is not meant for, a key in a file cannot",
			})
		}
		return faults
	}
	text := fmt.Sprintf("With `%s`, set `%s`, and one of `%s` and `%s`.", key, strings.Join(needs, "`, `"), command, file)
	return schema.Constraint{Keys: append([]string{key, file, command}, needs...), Text: text, Check: check}
}

// onlyOverHTTPS: key is set only if the collector has an https endpoint.
func onlyOverHTTPS(key string) schema.Constraint {
	const endpoint = "tracing.endpoint"
	check := func(v *schema.Values) []schema.Fault {
		if !v.IsSet(key) || strings.HasPrefix(v.String(endpoint), "https:") {
			return nil
		}
		return []schema.Fault{{Key: key, Message: "is set, but " + endpoint + " does not begin with https:", Hint: "change the endpoint, or leave " + key + " out"}}
	}
	return schema.Constraint{Keys: []string{key, endpoint}, Text: fmt.Sprintf("Set `%s` only if `%s` is an `https` URL.", key, endpoint), Check: check}
}

// headersSafe: the headers for the collector, which are secrets, are not sent in cleartext.
func headersSafe() schema.Constraint {
	const key, endpoint = "tracing.headers_file", "tracing.endpoint"
	check := func(v *schema.Values) []schema.Fault {
		u, err := url.Parse(v.String(endpoint))
		switch {
		case !v.IsSet(key):
			return nil
		case err != nil, u.Host == "":
			return []schema.Fault{{Key: key, Message: "needs " + endpoint, Hint: "set it, or leave " + key + " out"}}
		case u.Scheme != "https" && !rule.IsLoopback(net.JoinHostPort(u.Hostname(), "0")):
			return []schema.Fault{{Key: key, Message: "would be sent in cleartext to another machine", Hint: "use an https URL for " + endpoint}}
		}
		return nil
	}
	return schema.Constraint{Keys: []string{key, endpoint}, Text: fmt.Sprintf("Set `%s` only if `%s` is an `https` URL, or has a loopback address.", key, endpoint), Check: check}
}
