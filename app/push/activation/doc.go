// Package activation tells push servers of the Argo Messaging Service, over gRPC, which
// subscriptions they push: each subscription is activated on one of them, and on another one
// while that one cannot be reached.
//
// It promises to activate only subscriptions whose endpoint is verified, and to repeat what
// failed until it holds. While a server cannot be reached it may still push what another one
// pushes meanwhile: messages are then pushed twice, and never lost. One process at a time runs
// it; any process can ask for states.
package activation
