// Package jssource reads the messages of one subscription from its JetStream consumer, for
// package app/push.
//
// It promises that messages come in the order of the stream if that is asked for: also after
// another process has worked on the subscription and died, and after messages were lost on
// their way. What a process that died had received is asked for again at once. An idle
// source costs one pull request that waits. It never acknowledges by itself what was not
// taken.
package jssource
