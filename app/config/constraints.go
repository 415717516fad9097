package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"usher/app/config/rule"
	"usher/internal/secret"
)

// constraint is a condition on several keys.
type constraint struct {
	keys  []string
	text  string
	check func(c *checker) []fault
}

// constraints is the table of all constraints.
func constraints() []constraint {
	const noClients = "usher never places a client in the account that auth_callout names; use another account"
	const embedded = "leave it out: the embedded server creates the bucket, with file storage; or set directory.from: kv"
	const noBucket = "set directory.from: kv, or leave it out"
	all := []constraint{
		atMostOne([]string{"nats.user", "nats.password_file"}, []string{"nats.nkey_file"}, []string{"nats.creds_file"}),
		bothOrNeither("nats.user", "nats.password_file"),
		atMostOne([]string{"nats.system_user", "nats.system_password_file"}, []string{"nats.system_nkey_file"}),
		bothOrNeither("nats.system_user", "nats.system_password_file"),
		bothOrNeither("nats.tls.cert_file", "nats.tls.key_file"),
		notCallout("accounts.system", "auth_callout cannot be in the system account; use another account"),
		notCallout("accounts.ingest", noClients),
		notCallout("accounts.service_admin", noClients),
		notCallout("accounts.healthcheck", noClients),
		bothOrNeither("accounts.healthcheck", "healthcheck.token_file"),
		exactlyWith("audit.file", "audit.to", "file"),
		exactlyWith("directory.file", "directory.from", DirectoryFile),
		exactlyWith("directory.store_dir", "directory.from", DirectoryEmbedded),
		unsetWith("directory.bucket", DirectoryFile, noBucket),
		unsetWith("directory.create_bucket", DirectoryFile, noBucket),
		unsetWith("directory.replicas", DirectoryFile, noBucket),
		unsetWith("directory.replicas", DirectoryEmbedded, "the embedded server is a single server; set directory.from: kv for a bucket in a cluster"),
		unsetWith("directory.create_bucket", DirectoryEmbedded, embedded),
		unsetWith("directory.storage", DirectoryFile, noBucket),
		unsetWith("directory.storage", DirectoryEmbedded, embedded),
		unsetWith("directory.max_bytes", DirectoryFile, noBucket),
		unsetWith("directory.max_project_bytes", DirectoryFile, noBucket),
		notAbove("directory.max_project_bytes", "directory.max_bytes"),
		unsetWith("directory.snapshot_file", DirectoryFile, "leave it out: a directory file needs no snapshot"),
		unsetWith("api.listen", DirectoryFile, "the API needs a bucket; usher directory import copies the file into one"),
		bothOrNeither("api.tls.cert_file", "api.tls.key_file"),
		tlsUnlessLoopback("api.listen", "api.tls.cert_file", "api.allow_cleartext"),
		onlyInMode(ModeConfig, "nats.system_user"),
		onlyInMode(ModeConfig, "nats.system_nkey_file"),
		operatorModeOnly("nats.sentinel_creds_file"),
		operatorModeOnly("accounts.scopes"),
		operatorModeOnly("operator.dir"),
		operatorModeOnly("operator.signing_key_file"),
		operatorModeOnly("operator.signing_command"),
		atMostOne([]string{"operator.signing_key_file"}, []string{"operator.signing_command", "operator.signing_public_key"}),
		bothOrNeither("operator.signing_command", "operator.signing_public_key"),
		operatorModeOnly("operator.create_accounts"),
		createAccounts(),
		templateLimits(),
		operatorModeOnly("operator.system_creds_file"),
		bothOrNeither("tracing.tls.cert_file", "tracing.tls.key_file"),
		onlyOverHTTPS("tracing.tls.ca_file"),
		onlyOverHTTPS("tracing.tls.cert_file"),
		headersSafe(),
		identityRules(),
	}
	return slices.Concat(all, apiX509Constraints(), credentialConstraints())
}

// atMostOne: of several groups of keys, at most one is set.
func atMostOne(groups ...[]string) constraint {
	var keys, names, plain []string
	for _, group := range groups {
		keys = append(keys, group...)
		names = append(names, "`"+strings.Join(group, "` with `")+"`")
		plain = append(plain, strings.Join(group, " with "))
	}
	check := func(c *checker) []fault {
		var first string
		var faults []fault
		for _, group := range groups {
			for _, key := range group {
				if !c.isSet(key) {
					continue
				}
				if first == "" {
					first = key
				} else {
					faults = append(faults, fault{key, "conflicts with " + first, "keep one of: " + strings.Join(plain, "; ")})
				}
				break
			}
		}
		return faults
	}
	return constraint{keys, "Set at most one of: " + strings.Join(names, "; ") + ".", check}
}

// bothOrNeither: both keys are set, or neither.
func bothOrNeither(a, b string) constraint {
	check := func(c *checker) []fault {
		present, missing := a, b
		switch {
		case c.isSet(a) == c.isSet(b):
			return nil
		case c.isSet(b):
			present, missing = b, a
		}
		return []fault{{present, "needs " + missing, "set both or neither"}}
	}
	return constraint{[]string{a, b}, fmt.Sprintf("Set both `%s` and `%s`, or neither.", a, b), check}
}

// notCallout: the key does not name the callout account.
func notCallout(key, hint string) constraint {
	const callout = "accounts.callout"
	check := func(c *checker) []fault {
		if c.stringValue(key) != c.stringValue(callout) {
			return nil
		}
		return []fault{{key, "is the same account as " + callout + " (" + secret.Name(c.stringValue(key)) + ")", hint}}
	}
	return constraint{[]string{callout, key}, fmt.Sprintf("`%s` and `%s` must be different accounts.", callout, key), check}
}

// exactlyWith: key is set if, and only if, choice has one of the values. If choice has it
// by default, the error is that key is missing.
func exactlyWith(key, choice string, values ...string) constraint {
	check := func(c *checker) []fault {
		chosen := c.stringValue(choice)
		needed := slices.Contains(values, chosen)
		switch {
		case needed && !c.isSet(key) && c.has(key):
			return []fault{{key, "must not be empty", ""}}
		case needed && !c.isSet(key) && !c.has(choice):
			return []fault{{key, "is missing", c.at(key).hint}}
		case needed && !c.isSet(key):
			return []fault{{choice, "needs " + key, fmt.Sprintf("set %s, or choose another value", key)}}
		case !needed && c.isSet(key):
			return []fault{{
				key, fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(chosen)),
				fmt.Sprintf("set %s: %s, or leave %s out", choice, strings.Join(values, " or "), key),
			}}
		}
		return nil
	}
	text := fmt.Sprintf("Set `%s` if, and only if, `%s` is `%s`.", key, choice, strings.Join(values, "` or `"))
	return constraint{[]string{key, choice}, text, check}
}

// operatorModeOnly: key is set only in operator mode.
func operatorModeOnly(key string) constraint { return onlyInMode(ModeOperator, key) }

// onlyInMode: key is set only in one mode.
func onlyInMode(value, key string) constraint {
	const choice = "nats.mode"
	check := func(c *checker) []fault {
		if !c.isSet(key) || c.stringValue(choice) == value {
			return nil
		}
		return []fault{{
			key, fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(c.stringValue(choice))),
			fmt.Sprintf("set %s: %s, or leave %s out", choice, value, key),
		}}
	}
	return constraint{[]string{key, choice}, fmt.Sprintf("Set `%s` only if `%s` is `%s`.", key, choice, value), check}
}

// unsetWith: key has its default if directory.from has the value.
func unsetWith(key, value, hint string) constraint {
	const choice = "directory.from"
	check := func(c *checker) []fault {
		if c.hasDefault(key) || c.stringValue(choice) != value {
			return nil
		}
		return []fault{{key, fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(value)), hint}}
	}
	return constraint{[]string{key, choice}, fmt.Sprintf("Do not set `%s` if `%s` is `%s`.", key, choice, value), check}
}

// notAbove: one size does not exceed another.
func notAbove(size, limit string) constraint {
	check := func(c *checker) []fault {
		if c.value(size).Int() <= c.value(limit).Int() {
			return nil
		}
		return []fault{{size, fmt.Sprintf("is %d, more than %s, which is %d", c.value(size).Int(), limit, c.value(limit).Int()), "lower " + size + " or raise " + limit}}
	}
	return constraint{[]string{size, limit}, fmt.Sprintf("`%s` must not exceed `%s`.", size, limit), check}
}

// tlsUnlessLoopback: a listener that other machines can reach has a certificate,
// unless cleartext is allowed.
func tlsUnlessLoopback(listener, cert, allowed string) constraint {
	check := func(c *checker) []fault {
		address := c.stringValue(listener)
		if address == "" || rule.IsLoopback(address) || c.isSet(cert) || c.isSet(allowed) {
			return nil
		}
		return []fault{{
			listener, secret.Name(address) + " is reachable from other machines, which would send API keys in cleartext",
			"set api.tls, or listen on 127.0.0.1; " + allowed + ": true if a proxy terminates TLS",
		}}
	}
	text := fmt.Sprintf("`%s` is a loopback address, or `%s` is set, or `%s` is `true`.", listener, cert, allowed)
	return constraint{[]string{listener, cert, allowed}, text, check}
}

// createAccounts: the service has everything that it needs to create accounts.
func createAccounts() constraint {
	const key, file, command = "operator.create_accounts", "operator.signing_key_file", "operator.signing_command"
	needs := []string{"operator.dir", "operator.system_creds_file", "api.listen"}
	check := func(c *checker) []fault {
		if !c.isSet(key) {
			return nil
		}
		var faults []fault
		for _, need := range needs {
			if !c.isSet(need) {
				faults = append(faults, fault{key, "needs " + need, "set it, or leave " + key + " out"})
			}
		}
		if !c.isSet(file) && !c.isSet(command) {
			faults = append(faults, fault{key, "needs " + command + " or " + file, "prefer a signing program: it can refuse requests that it is not meant for, a key in a file cannot"})
		}
		return faults
	}
	text := fmt.Sprintf("With `%s`, set `%s`, and one of `%s` and `%s`.", key, strings.Join(needs, "`, `"), command, file)
	return constraint{append([]string{key, file, command}, needs...), text, check}
}

// onlyOverHTTPS: key is set only if the collector has an https endpoint.
func onlyOverHTTPS(key string) constraint {
	const endpoint = "tracing.endpoint"
	check := func(c *checker) []fault {
		if !c.isSet(key) || strings.HasPrefix(c.stringValue(endpoint), "https:") {
			return nil
		}
		return []fault{{key, "is set, but " + endpoint + " does not begin with https:", "change the endpoint, or leave " + key + " out"}}
	}
	return constraint{[]string{key, endpoint}, fmt.Sprintf("Set `%s` only if `%s` is an `https` URL.", key, endpoint), check}
}

// headersSafe: the headers for the collector, which are secrets, are not sent in cleartext.
func headersSafe() constraint {
	const key, endpoint = "tracing.headers_file", "tracing.endpoint"
	check := func(c *checker) []fault {
		u, err := url.Parse(c.stringValue(endpoint))
		switch {
		case !c.isSet(key):
			return nil
		case err != nil, u.Host == "":
			return []fault{{key, "needs " + endpoint, "set it, or leave " + key + " out"}}
		case u.Scheme != "https" && !rule.IsLoopback(net.JoinHostPort(u.Hostname(), "0")):
			return []fault{{key, "would be sent in cleartext to another machine", "use an https URL for " + endpoint}}
		}
		return nil
	}
	return constraint{[]string{key, endpoint}, fmt.Sprintf("Set `%s` only if `%s` is an `https` URL, or has a loopback address.", key, endpoint), check}
}
