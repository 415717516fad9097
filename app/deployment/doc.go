// Package deployment asks what runs with a configuration: the ushers, over the service
// user, and the nats-servers, over the system user in operator mode. Key commands, usher
// check and the account service of the API use it.
//
// It changes nothing by itself: it returns the Rotator and the AccountMaker that do.
package deployment
