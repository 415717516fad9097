// Package streambridge has the findings of usher check about the bridge from NATS Streaming:
// whether its user gets in, whether a bridge answers, and whether its stream is what
// messages need. It changes nothing and publishes no message.
package streambridge
