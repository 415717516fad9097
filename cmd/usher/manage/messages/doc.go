// Package messages has the commands about the messages of a project: what topics and
// subscriptions hold, and where subscriptions are pushed. It prints no secret of a push
// configuration unless it is asked for.
package messages
