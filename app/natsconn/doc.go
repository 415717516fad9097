// Package natsconn turns a configuration into options of NATS connections: TLS, and the
// credentials of the service user.
//
// It reads secrets from files only, and refuses files that others can read or replace. It
// makes no connection.
package natsconn
