/* SPDX-License-Identifier: ISC */
/*
 * cmd/agent_protocol.h - what commands and the agent say to each other
 *
 * Messages of tool/message.h. A command begins with HELLO and gets HELLO back;
 * then every request carries a number, which its answers carry, too. The end
 * of the socket is the end of the command, or of the agent: nobody waits for
 * one that is gone.
 */
#ifndef SOJOURN_CMD_AGENT_PROTOCOL_H
#define SOJOURN_CMD_AGENT_PROTOCOL_H

#define AGENT_PROTOCOL 2

/* The application of targets that name none: what `sojourn serve` takes. */
#define AGENT_APPLICATION "sojourn"

enum agent_message {
	AGENT_HELLO = 1,             /* both: VERSION, PID; SSH_AGENT */
	AGENT_LOGIN,                 /* TARGET... -> PROMPT*, SESSION or FAILED */
	AGENT_PROMPT,                /* SESSION, TEXT, CODE */
	AGENT_ANSWER,                /* SESSION, TEXT (none: declined) */
	AGENT_SESSION,
	AGENT_LIST,                  /* -> SESSION*, OK */
	AGENT_LOGOUT,                /* SESSION -> OK or FAILED, once it is over */
	AGENT_OPEN,                  /* STREAM... and descriptors; no answer but OVER */
	AGENT_RESET,                 /* STREAM, CODE */
	AGENT_OVER,                  /* STREAM, ERROR, TEXT, CODE, BYTES_* */
	AGENT_STOP,                  /* -> OK */
	AGENT_OK,
	AGENT_FAILED,                /* ERROR, TEXT */
	AGENT_WATCH                  /* SESSION -> FAILED, once it is over */
};

enum agent_field {
	FIELD_NUMBER = 1,
	FIELD_VERSION,
	FIELD_PID,
	FIELD_SSH_AGENT,
	FIELD_TARGET,
	FIELD_KEY_FILE,
	FIELD_SERVER_KEY,
	FIELD_HYBRID,
	FIELD_ACCEPT_NEW,
	FIELD_EXISTING_ONLY,
	FIELD_TIMEOUT_MS,
	FIELD_SESSION,
	FIELD_TEXT,
	FIELD_CODE,
	FIELD_ERROR,
	FIELD_STREAM,
	FIELD_PARENT,
	FIELD_SERVICE,
	FIELD_PREFIX,
	FIELD_FINISH,
	FIELD_SOURCE,                /* which of the descriptors */
	FIELD_SINK,
	FIELD_URGENCY,
	FIELD_WEIGHT,
	FIELD_BYTES_IN,
	FIELD_BYTES_OUT,
	FIELD_STARTED,
	FIELD_AWAY,
	FIELD_REUSED,
	FIELD_RESUMED,
	FIELD_SINCE,
	FIELD_EXPIRES,
	FIELD_USED,
	FIELD_STATS,                 /* struct sj_session_stats: same program, same machine */
	FIELD_ID,
	FIELD_USER,
	FIELD_FROM,
	FIELD_APPLICATION,
	FIELD_MECHANISM,
	FIELD_CREDENTIAL,
	FIELD_UNVERIFIED
};

#endif
