// Package webhook verifies credentials by asking an HTTP endpoint of the user's own, in the
// format of docs/reference/webhook.md.
//
// It promises that the endpoint can tell who asks, and when; that an answer which is not
// exactly in the format decides nothing; and that the endpoint never sees API keys,
// health-check tokens, NATS JWTs or nonces.
package webhook
