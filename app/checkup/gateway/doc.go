// Package gateway finds faults of the gateways between nats-servers, such as the two of an
// event gateway: in the configuration files, in what the servers report, and in what their
// ports present.
//
// It returns findings and changes nothing. A server that misbehaves costs it bounded time
// and memory: each connection ends after probeLimit, and reads at most maxInfo.
package gateway
