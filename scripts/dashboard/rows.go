package main

// dashboard returns the rows of the dashboard.
func dashboard() []row {
	return []row{
		overview(), admission(), directory(), keyring(), sessions(), audit(), api(), push(), bridge(), process(),
	}
}

func overview() row {
	return row{"Overview", []panel{
		stat("Ready", "Processes that are ready, as /readyz says.", unitCount, `sum(usher_ready{})`),
		stat("Down or not ready", "Processes that Prometheus cannot scrape, and those that are not ready.", unitCount, `count(up{} == 0 or usher_ready{} == 0) or vector(0)`),
		stat("Requests", "Authorization requests of servers.", unitRate, `sum(rate(usher_requests_total{}[$__rate_interval]))`),
		stat("Denied", "Part of requests that are denied.", unitShare, `sum(rate(usher_requests_total{,outcome="denied"}[$__rate_interval])) / sum(rate(usher_requests_total{}[$__rate_interval]))`),
		stat("Not answered", "Part of requests that are shed, or cannot be decided.", unitShare, `sum(rate(usher_requests_total{,outcome=~"shed|unavailable"}[$__rate_interval])) / sum(rate(usher_requests_total{}[$__rate_interval]))`),
		stat("99 of 100 take less than", "From arrival to answer.", unitSeconds, `histogram_quantile(0.99, sum by (le) (rate(usher_step_duration_seconds_bucket{,step="total"}[$__rate_interval])))`),
		stack("Requests by outcome", "", unitRate, rates("outcome", `usher_requests_total{}`)),
		chart("Time from arrival to answer", "The exemplars have request ids.", unitSeconds, quantiles(`usher_step_duration_seconds_bucket{,step="total"}`)...),
		chart("Time of each step, p99", "queue is the wait before the first step.", unitSeconds, quantile("0.99", "step", `usher_step_duration_seconds_bucket{,step!="total"}`)),
		stack("Denied by code", "docs/reference/errors.md says what each code means, and what to do.", unitRate, with(`sum by (code) (rate(usher_requests_total{,outcome="denied"}[$__rate_interval])) > 0`, "{{code}}")),
		stack("Not answered by code", "Undecided, shed or malformed.", unitRate, with(`sum by (code) (rate(usher_requests_total{,outcome!~"granted|denied"}[$__rate_interval])) > 0`, "{{code}}")),
		stack("Versions", "Processes by version.", unitCount, with(`count by (version) (usher_build_info{})`, "{{version}}")),
	}}
}

func admission() row {
	return row{"Admission and congestion", []panel{
		chart("Requests in usher", "In flight: admitted and not finished. Working: being decided.", unitCount,
			with(`sum(usher_requests_in_flight{})`, "in flight"), with(`sum(usher_requests_working{})`, "working"), with(`sum(usher_requests_waiting{})`, "waiting")),
		chart("Oldest waiting request", "If it grows and the delay of answers does not, usher is the bottleneck.", unitSeconds, with(`usher_queue_age_seconds{}`, "{{instance}}")),
		chart("Delay of answers", "If it grows, the servers are the bottleneck.", unitSeconds, with(`usher_answer_delay_seconds{}`, "{{instance}}")),
		chart("Congestion window of answers", "How many answers may be in flight to servers, and how many are.", unitCount, with(`sum by (state) (usher_answers{})`, "{{state}}")),
		chart("Decisions by verifier", "", unitRate, rates("verifier, outcome", `usher_verifier_requests_total{}`)),
		chart("Connections to NATS", "", unitCount, with(`sum by (state) (usher_service_connections{})`, "{{state}}")),
		chart("Systems that verifiers ask", "Answers per second; failed ones below their name.", unitRate,
			rates("backend", `usher_verifier_backend_requests_total{}`), with(`sum by (backend) (rate(usher_verifier_backend_failures_total{}[$__rate_interval]))`, "{{backend}} failed")),
		chart("Systems that do not answer", "1: the last request to it failed.", unitCount, with(`1 - usher_verifier_backend_up{}`, "{{instance}} {{backend}}")),
		chart("Hits of caches", "Part of requests that a cache of a verifier answers.", unitShare,
			with(`sum by (cache) (rate(usher_verifier_cache_hits_total{}[$__rate_interval])) / (sum by (cache) (rate(usher_verifier_cache_hits_total{}[$__rate_interval])) + sum by (cache) (rate(usher_verifier_cache_misses_total{}[$__rate_interval])))`, "{{cache}}")),
	}}
}

func directory() row {
	return row{"Directory", []panel{
		chart("Entries", "", unitCount, with(`max by (kind) (usher_directory_entries{})`, "{{kind}}")),
		chart("Age of the view", "Of a file, since it was loaded. Of a bucket, since it was known to hold nothing newer.", unitSeconds, with(`usher_directory_age_seconds{}`, "{{instance}}")),
		chart("Revision", "All instances should have the same.", unitCount, with(`usher_directory_revision{}`, "{{instance}}")),
		chart("Bucket", "From four fifths of the limit on, what makes the directory larger is refused.", unitBytes,
			with(`max(usher_directory_bucket_bytes{})`, "bytes"), with(`max(usher_directory_bucket_limit_bytes{} > 0)`, "limit")),
		chart("Reloads and refused changes", "", unitPerSec, rates("result", `usher_directory_reloads_total{}`), rates("reason", `usher_directory_changes_refused_total{}`)),
		chart("Faults", "Entries that are left out, and instances whose last reload failed.", unitCount,
			with(`max(usher_directory_entries_unreadable{})`, "unreadable entries"), with(`count(usher_directory_last_reload_successful{} == 0) or vector(0)`, "reload failed")),
	}}
}

func keyring() row {
	return row{"Keyring and configuration", []panel{
		chart("Requests of the last hour by key", "Nothing should ask for a key that is retiring for long.", unitCount, with(`sum by (kind, state) (usher_key_requests_last_hour{})`, "{{kind}} {{state}}")),
		chart("Age of keys", "The oldest of each kind and state.", unitSeconds, with(`max by (kind, state) (usher_key_age_seconds{})`, "{{kind}} {{state}}")),
		chart("Certificates end in", "By the key of usher.yaml that names the file: the first of all instances.", unitSeconds, with(`min by (key) (usher_certificate_not_after_timestamp_seconds{} - time())`, "{{key}}")),
		chart("Faults", "Instances whose last reload failed, and those that need a restart for what changed in usher.yaml.", unitCount,
			with(`count(usher_keyring_last_reload_successful{} == 0) or vector(0)`, "keyring"), with(`count(usher_identities_last_reload_successful{} == 0) or vector(0)`, "usher.yaml"),
			with(`sum(usher_configuration_restart_needed{})`, "restart needed")),
	}}
}

func sessions() row {
	return row{"Sessions", []panel{
		chart("Connections that begin and end", "As servers report them.", unitPerSec, with(`max by (event) (rate(usher_sessions_events_total{}[$__rate_interval]))`, "{{event}}")),
		chart("Sessions closed", "By cause: what was lost or gained, or the code of why the credential is no longer good.", unitPerSec, rates("cause", `usher_sessions_revoked_total{}`), rate("failed", `usher_sessions_kicks_failed_total{}`)),
		chart("Sessions to be closed", "", unitCount, with(`max(usher_sessions_waiting{})`, "waiting"), with(`sum(usher_sessions_unreachable{})`, "not confirmed"), with(`max(usher_sessions_undecided{})`, "undecided")),
		chart("Replicas and servers", "What each instance hears of.", unitCount, with(`usher_sessions_replicas{}`, "{{instance}} replicas"), with(`usher_sessions_servers{}`, "{{instance}} servers")),
		chart("Not ready or not complete", "Instances that cannot list and close connections, and those that lack sessions of others.", unitCount,
			with(`count(usher_sessions_ready{} == 0) or vector(0)`, "not ready"), with(`count(usher_sessions_complete{} == 0) or vector(0)`, "not complete")),
		chart("Refused by servers", "Connections that usher granted and a server did not accept.", unitPerSec, rates("reason", `usher_refused_by_server_total{}`)),
	}}
}

func audit() row {
	return row{"Audit and traces", []panel{
		{title: "Audit events lost", about: "Should be 0.", unit: unitCount, wide: 12, queries: []query{with(`sum by (instance) (increase(usher_audit_events_lost_total{}[$__rate_interval]))`, "{{instance}}")}},
		{title: "Spans", unit: unitPerSec, wide: 12, queries: []query{rates("result", `usher_trace_spans_total{}`), with(`sum by (source) (rate(usher_traces_dropped_total{}[$__rate_interval]))`, "{{source}}, too many")}},
	}}
}

func api() row {
	return row{"API", []panel{
		stack("Requests by status", "", unitRate, rates("status", `usher_api_requests_total{}`)),
		chart("Time of requests", "The exemplars have request ids. A pull may wait for messages.", unitSeconds, quantiles(`usher_api_request_duration_seconds_bucket{}`)...),
		chart("Requests by route", "The ten with most.", unitRate, with(`topk(10, sum by (route) (rate(usher_api_requests_total{}[$__rate_interval])))`, "{{route}}")),
	}}
}

func push() row {
	return row{"Push and streams", []panel{
		stack("Pushes by outcome", "", unitRate, rates("outcome", `usher_push_requests_total{}`)),
		chart("Time of pushes", "", unitSeconds, quantiles(`usher_push_request_duration_seconds_bucket{}`)...),
		chart("Messages taken", "", unitPerSec, rate("taken", `usher_push_messages_total{}`), rate("dead letters", `usher_push_dead_letters_total{}`)),
		chart("Subscriptions", "", unitCount, with(`sum by (instance) (usher_push_subscriptions{})`, "{{instance}}"), with(`sum(usher_push_subscriptions_retrying{})`, "retrying"), with(`sum(usher_push_requests_open{})`, "open requests")),
		chart("Errors", "", unitPerSec, rate("messages not read", `usher_push_source_errors_total{}`), rate("not acknowledged", `usher_push_ack_errors_total{}`), rate("dead letters not stored", `usher_push_dead_letters_failed_total{}`)),
		chart("Streams of projects", "In step with the directory, waiting to be looked at, or failing.", unitCount, with(`max by (state) (usher_streams_projects{})`, "{{state}}")),
	}}
}

func bridge() row {
	return row{"Bridge from NATS Streaming", []panel{
		chart("Messages", "", unitPerSec, rate("published", `usher_stan_bridge_published_total{}`), rate("acknowledged", `usher_stan_bridge_acked_total{}`)),
		chart("Time to the acknowledgement", "", unitSeconds, quantiles(`usher_stan_bridge_ack_duration_seconds_bucket{}`)...),
		chart("Refused by reason", "", unitPerSec, with(`sum by (reason) (rate(usher_stan_bridge_refused_total{}[$__rate_interval])) > 0`, "{{reason}}")),
		chart("Clients and waiting messages", "", unitCount, with(`sum(usher_stan_bridge_clients{})`, "clients"), with(`sum(usher_stan_bridge_pending{})`, "waiting messages")),
		chart("Bytes that wait", "", unitBytes, with(`sum(usher_stan_bridge_pending_bytes{})`, "bytes")),
		chart("Not ready", "Instances whose bridge is not connected, or has no stream.", unitCount, with(`count(usher_stan_bridge_ready{} == 0)`, "not ready")),
	}}
}

func process() row {
	return row{"Process", []panel{
		chart("CPU", "Cores in use.", unitCount, with(`rate(process_cpu_seconds_total{}[$__rate_interval])`, "{{instance}}")),
		chart("Memory", "Resident.", unitBytes, with(`process_resident_memory_bytes{}`, "{{instance}}")),
		chart("Open files", "", unitCount, with(`process_open_fds{}`, "{{instance}}")),
	}}
}
