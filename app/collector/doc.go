// Package collector sends spans to an OpenTelemetry collector, over OTLP with HTTP.
//
// It promises that a collector that is slow, unreachable or refuses spans costs a bounded
// amount of memory and delays nothing: no request, no start, and the stop by no more than
// stopLimit. It logs when sending begins to fail and when it works again, counts what is lost,
// and never logs a header of the configuration.
package collector
