/* SPDX-License-Identifier: Apache-2.0 */
/* show event-logger, event-logger clear, stop, restart, resize, save. */
#include <cli/commands.h>

#include <string.h>
#include <sys/stat.h>
#include <plugins/framework/event_log.h>
#include <vppinfra/vec.h>

/* Events shown when nobody says how many. */
#define N_SHOWN 250
/* The ring's bounds: 1 KiB and 128 MiB. */
#define N_EVENTS_LEAST 32
#define N_EVENTS_MOST (4 << 20)

/* Logs are saved here, under a plain name: who may speak to the socket may not choose a place. */
#define SAVE_DIR "/tmp/"

static void
show_event(cli_output_t *out, elog_main_t *em, const elog_event_t *e)
{
	cli_text(out, "%18.9f: %12U %U", e->time, format_elog_track_name, em, e, format_elog_event,
		 em, e);
	cli_list_item_begin(out, "events");
	cli_field_f64(out, "seconds", e->time);
	cli_field_string(out, "track", "%U", format_elog_track_name, em, e);
	cli_field_string(out, "event", "%U", format_elog_event, em, e);
	cli_end(out);
}

static clib_error_t *
show_event_logger_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	elog_main_t *em = vmheap_elog_main();
	uword n_shown = N_SHOWN, n;
	elog_event_t *events;
	int is_running;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "all"))
			n_shown = ~(uword)0;
		else if (!unformat(input, "%wu", &n_shown))
			return vmheap_config_unknown(input, "all or a number of events");
	}
	vmheap_elog_sample_memory();
	is_running = elog_is_enabled(em);
	events = elog_peek_events(em);
	n = vec_len64(events);
	if (!n && elog_n_events_in_buffer(em))
		return clib_error_return(0, "no memory to collect %wu events",
					 elog_n_events_in_buffer(em));
	cli_text(out, "%wu of %wu events in buffer, logger %s", n, elog_buffer_capacity(em),
		 is_running ? "running" : "stopped");
	cli_field_u64(out, "events_in_buffer", n);
	cli_field_u64(out, "capacity", elog_buffer_capacity(em));
	cli_field_u64(out, "total_events", em->n_total_events);
	cli_field_u64(out, "dropped_events", em->n_dropped_events);
	cli_field_bool(out, "running", is_running);
	if (em->n_dropped_events)
		cli_text(out, "%Lu events dropped: no memory for their types",
			 em->n_dropped_events);
	for (uword i = n - clib_min(n, n_shown); i < n; i++)
		show_event(out, em, &events[i]);
	vec_free(events);
	return 0;
}

VMHEAP_CLI_COMMAND(show_event_logger) = {
	.path = "show event-logger",
	.short_help = "show event-logger [all] [N]",
	.long_help =
		"The newest events of the event log, 250, N or all of them, oldest first: seconds "
		"since\n"
		"the log began, track, and what happened.",
	.words = "all",
	.function = show_event_logger_fn,
};

static clib_error_t *
no_log(void)
{
	return clib_error_return(0, "there is no event log: no memory for it at the start; see "
				    "event-logger resize");
}

static clib_error_t *
event_logger_clear_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	elog_main_t *em = vmheap_elog_main();

	if (!elog_buffer_capacity(em))
		return no_log();
	elog_reset_buffer(em);
	return 0;
}

VMHEAP_CLI_COMMAND(event_logger_clear) = {
	.path = "event-logger clear",
	.short_help = "event-logger clear",
	.long_help = "Forget all events, and go on logging.",
	.function = event_logger_clear_fn,
};

static clib_error_t *
event_logger_stop_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	elog_main_t *em = vmheap_elog_main();

	if (!elog_buffer_capacity(em))
		return no_log();
	elog_disable_after_events(em, 0);
	cli_text(out, "Stopped the event logger...");
	return 0;
}

VMHEAP_CLI_COMMAND(event_logger_stop) = {
	.path = "event-logger stop",
	.short_help = "event-logger stop",
	.long_help = "Log nothing more; the events that are there stay.",
	.function = event_logger_stop_fn,
};

static clib_error_t *
event_logger_restart_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	elog_main_t *em = vmheap_elog_main();

	if (!elog_buffer_capacity(em))
		return no_log();
	elog_disable_after_events(em, ~(uword)0);
	cli_text(out, "Restarted the event logger...");
	return 0;
}

VMHEAP_CLI_COMMAND(event_logger_restart) = {
	.path = "event-logger restart",
	.short_help = "event-logger restart",
	.long_help = "Go on logging after a stop.",
	.function = event_logger_restart_fn,
};

static clib_error_t *
event_logger_resize_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	elog_main_t *em = vmheap_elog_main();
	u32 n;

	if (!unformat(input, "%u", &n))
		return vmheap_config_unknown(input, "a number of events");
	if (n < N_EVENTS_LEAST || n > N_EVENTS_MOST)
		return clib_error_return(0, "%u events: the buffer takes %u to %u", n,
					 N_EVENTS_LEAST, N_EVENTS_MOST);
	if (elog_resize(em, n))
		return clib_error_return(0, "no memory for %u events, %wu stay", n,
					 elog_buffer_capacity(em));
	cli_text(out, "Resized ring to %wu events", elog_buffer_capacity(em));
	cli_field_u64(out, "capacity", elog_buffer_capacity(em));
	return 0;
}

VMHEAP_CLI_COMMAND(event_logger_resize) = {
	.path = "event-logger resize",
	.short_help = "event-logger resize N",
	.long_help = "Room for N events, rounded up to a power of two; the newest that fit stay.",
	.function = event_logger_resize_fn,
};

/* The file's whole path as a NUL-terminated vector; an error for names that leave the folder and
 * for what is no plain file. */
static clib_error_t *
save_path(const u8 *name, u8 **path)
{
	struct stat s;

	if (strchr((char *)name, '/') || name[0] == '.')
		return clib_error_return(
			0,
			"illegal name `%s': a plain name is wanted, the file is " SAVE_DIR "NAME",
			name);
	*path = format(0, SAVE_DIR "%s%c", name, 0);
	if (!*path)
		return clib_error_return(0, "no memory");
	/* A link, say, that somebody put into a folder of everybody's. */
	if (!lstat((char *)*path, &s) && !S_ISREG(s.st_mode))
		return clib_error_return(0, "%s is there and is no plain file", *path);
	return 0;
}

static clib_error_t *
event_logger_save_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	elog_main_t *em = vmheap_elog_main();
	u8 *name = 0, *path = 0;
	clib_error_t *error;
	uword n;

	if (!unformat(input, "%s", &name))
		return vmheap_config_unknown(input, "the name of a file");
	vmheap_elog_sample_memory();
	n = elog_n_events_in_buffer(em);
	error = save_path(name, &path);
	if (!error)
		error = elog_write_file(em, (char *)path, 1);
	if (!error) {
		cli_text(out, "Saved %wu of %wu events to %s", n, elog_buffer_capacity(em), path);
		cli_field_u64(out, "saved_events", n);
		cli_field_string(out, "file", "%s", path);
	}
	/* What was collected for the file is of no more use. */
	vec_free(em->events);
	vec_free(name);
	vec_free(path);
	return error;
}

VMHEAP_CLI_COMMAND(event_logger_save) = {
	.path = "event-logger save",
	.short_help = "event-logger save FILE",
	.long_help = "Write all events to " SAVE_DIR
		     "FILE, in the format that elog_read_file() reads.",
	.function = event_logger_save_fn,
};
