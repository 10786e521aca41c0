%% Erlang/OTP as a contender: answers requests on its stdin, as bench/runtime/contender/serve.ts does.
%%
%% What spares Erlang work is taken. Tells, spawn and snapshot are of bare processes, which are cheaper than gen_servers. A message is
%% an atom, which is not copied. The feeder is a process that sends 1,000 messages and yields: with one scheduler as fast as a
%% free-running sender or faster, and never slower than one that waits for a reply after each 1,000.
%% Asks are gen_server:call, what an Erlang engineer would write; when started with `bare`, a reference, a send and a receive.
%% Restarts are those of a gen_server below a supervisor.
-module(contender).
-export([main/1, init/1, handle_call/3, handle_cast/2, start_child/1]).

-define(PER_TURN, 1000).
-define(FLOOD, 20000).
-define(WARM_UP_RESTARTS, 20).
-define(PATIENCE_MS, 10000).

%% Not in the process that runs this: it traps exits, and a mailbox full of them would slow down every receive.
main([Asking]) -> spawn(fun() -> serve(Asking, []) end).

serve(Asking, Pids) ->
    case io:get_line("") of
        Line when is_list(Line) ->
            [Name | Words] = string:lexemes(Line, " \n"),
            Next =
                try request(Name, [list_to_integer(Word) || Word <- Words], Asking, Pids) of
                    {Values, NextPids} ->
                        io:format("values~s~n", [[io_lib:format(" ~s=~.9f", [Key, Value * 1.0]) || {Key, Value} <- Values]]),
                        NextPids
                catch
                    _:Reason ->
                        io:format("failed ~0p~n", [Reason]),
                        Pids
                end,
            serve(Asking, Next);
        _ ->
            halt()
    end.

request("spawn", [Actors], _, Pids) -> spawn_crowd(Actors, Pids);
request("tells", [Messages], _, Pids) -> {tells(Messages, Pids), Pids};
request("asks", [Questions, Askers], Asking, Pids) -> {asks(Questions, Askers, Asking), Pids};
request("restarts", [Times], _, Pids) -> {restarts(Times, length(Pids)), Pids};
request("snapshots", [Times], _, Pids) -> {snapshots(Times, Pids), Pids};
request("fairness", [LastsMs], _, Pids) -> {fairness(LastsMs, Pids), Pids}.

%% A counter. Told how many messages will come, it notices the last one itself, and need not answer each.
counter(Counted) ->
    receive
        {quota, Quota, Left, Boss} -> counter(Counted, Quota, Left, Boss);
        {ask, From, Ref} -> From ! {Ref, Counted}, counter(Counted);
        {flood, Handled} -> flooded(Handled);
        probed -> probed([])
    end.

counter(Counted, 0, Left, Boss) ->
    case atomics:sub_get(Left, 1, 1) of
        0 -> Boss ! counted;
        _ -> ok
    end,
    counter(Counted);
counter(Counted, Quota, Left, Boss) ->
    receive count -> counter(Counted + 1, Quota - 1, Left, Boss) end.

spawn_crowd(Actors, Old) ->
    [exit(Pid, kill) || Pid <- Old],
    erlang:yield(),
    {Memory, Rss} = memory(),
    FromNs = now_ns(),
    Pids = [spawn(fun() -> counter(0) end) || _ <- lists:seq(1, Actors)],
    %% All before it have started by the time it answers.
    bare_ask(lists:last(Pids)),
    Seconds = (now_ns() - FromNs) / 1.0e9,
    {MemoryNow, RssNow} = memory(),
    %% Few processes may fit into memory that was there already.
    PerActor = fun(Bytes) -> max(1, Bytes / Actors) end,
    {[{"seconds", Seconds}, {"heapBytes", PerActor(MemoryNow - Memory)}, {"rssBytes", PerActor(RssNow - Rss)}], Pids}.

%% Tells every process in turn.
tells(Messages, Pids) ->
    Actors = length(Pids),
    Left = atomics:new(1, []),
    atomics:put(Left, 1, min(Actors, Messages)),
    Quotas = [Messages div Actors + extra(Messages rem Actors, Index) || Index <- lists:seq(1, Actors)],
    [Pid ! {quota, Quota, Left, self()} || {Pid, Quota} <- lists:zip(Pids, Quotas), Quota > 0],
    erlang:yield(),
    FromNs = now_ns(),
    feed(Pids, Pids, Messages, ?PER_TURN),
    await(counted),
    [{"perSecond", per_second(Messages, FromNs)}].

extra(Remainder, Index) when Index =< Remainder -> 1;
extra(_, _) -> 0.

feed(_, _, 0, _) -> ok;
feed(Rest, Pids, Left, 0) -> erlang:yield(), feed(Rest, Pids, Left, ?PER_TURN);
feed([], Pids, Left, Turn) -> feed(Pids, Pids, Left, Turn);
feed([Pid | Rest], Pids, Left, Turn) -> Pid ! count, feed(Rest, Pids, Left - 1, Turn - 1).

asks(Questions, Askers, Asking) ->
    Each = (Questions + Askers - 1) div Askers,
    Boss = self(),
    {Ask, Stop} = server(Asking),
    Pids = [spawn_link(fun() -> receive go -> asker(Each, Ask), Boss ! asked end end) || _ <- lists:seq(1, Askers)],
    FromNs = now_ns(),
    [Pid ! go || Pid <- Pids],
    [await(asked) || _ <- lists:seq(1, Askers)],
    Rate = per_second(Each * Askers, FromNs),
    Stop(),
    [{"perSecond", Rate}].

asker(0, _) -> ok;
asker(Left, Ask) -> Ask(), asker(Left - 1, Ask).

server("bare") ->
    Pid = spawn(fun() -> counter(0) end),
    {fun() -> bare_ask(Pid) end, fun() -> exit(Pid, kill) end};
server("gen_server") ->
    {ok, Pid} = gen_server:start_link(?MODULE, counter, []),
    {fun() -> gen_server:call(Pid, ask) end, fun() -> gen_server:stop(Pid) end}.

bare_ask(Pid) ->
    Ref = make_ref(),
    Pid ! {ask, self(), Ref},
    receive {Ref, Counted} -> Counted end.

%% From the message that crashes a gen_server to the start of the next one.
restarts(Times, Siblings) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, supervisor),
    Pids = [begin {ok, Pid} = supervisor:start_child(Supervisor, [self()]), Pid end || _ <- lists:seq(1, Siblings)],
    [started() || _ <- Pids],
    {Warm, _} = crash(min(?WARM_UP_RESTARTS, Times), hd(Pids), []),
    {_, Latencies} = crash(Times, Warm, []),
    unlink(Supervisor),
    Monitor = monitor(process, Supervisor),
    exit(Supervisor, shutdown),
    receive {'DOWN', Monitor, _, _, _} -> ok end,
    [{"p50", percentile(Latencies, 0.5)}, {"p99", percentile(Latencies, 0.99)}].

crash(0, Pid, Latencies) -> {Pid, Latencies};
crash(Times, Pid, Latencies) ->
    FromNs = now_ns(),
    gen_server:cast(Pid, crash),
    {Next, AtNs} = started(),
    gen_server:call(Next, ask),
    crash(Times - 1, Next, [(AtNs - FromNs) / 1.0e6 | Latencies]).

started() ->
    receive {started, Pid, AtNs} -> {Pid, AtNs} after ?PATIENCE_MS -> error(not_started) end.

%% This module is the supervisor's, the restarted children's and the asked server's, so that there is one file.
init(supervisor) ->
    Child = #{id => child, start => {?MODULE, start_child, []}, restart => permanent, shutdown => brutal_kill},
    {ok, {#{strategy => simple_one_for_one, intensity => 1000000, period => 1}, [Child]}};
init(counter) ->
    {ok, 0};
init({child, Boss}) ->
    Boss ! {started, self(), now_ns()},
    {ok, 0}.

start_child(Boss) -> gen_server:start_link(?MODULE, {child, Boss}, []).
handle_call(ask, _, Counted) -> {reply, Counted, Counted}.
handle_cast(crash, _) -> error(crashed_on_demand).

%% What the process table of Erlang's observer shows.
snapshots(Times, Pids) ->
    Keys = [registered_name, initial_call, current_function, status, message_queue_len, memory, reductions],
    Took = [
        begin
            FromNs = now_ns(),
            Seen = [erlang:process_info(Pid, Keys) || Pid <- Pids],
            Ms = (now_ns() - FromNs) / 1.0e6,
            false = lists:member(undefined, Seen),
            Ms
        end
     || _ <- lists:seq(1, Times)
    ],
    [{"p50", percentile(Took, 0.5)}].

%% How long a message waits for the second process, while at every turn of the feeder a flood waits for the first.
fairness(LastsMs, Pids) ->
    [First, Second | _] = Pids,
    Handled = counters:new(1, []),
    First ! {flood, Handled},
    Second ! probed,
    erlang:yield(),
    {Told, Probes} = probe(now_ns() + LastsMs * 1000000, First, Second, Handled, 0, 0),
    First ! {stop, self()},
    await({flooded, Told}),
    Second ! {stop, self()},
    Waits = receive {waits, All} -> All after ?PATIENCE_MS -> error(not_probed) end,
    Probes = length(Waits),
    [{"p50", percentile(Waits, 0.5)}, {"p99", percentile(Waits, 0.99)}].

probe(EndNs, First, Second, Handled, Told, Probes) ->
    case now_ns() < EndNs of
        true ->
            Missing = ?FLOOD - (Told - counters:get(Handled, 1)),
            tell(First, Missing),
            Second ! {probe, now_ns()},
            erlang:yield(),
            probe(EndNs, First, Second, Handled, Told + Missing, Probes + 1);
        false ->
            {Told, Probes}
    end.

tell(_, 0) -> ok;
tell(Pid, Times) -> Pid ! count, tell(Pid, Times - 1).

flooded(Handled) ->
    receive
        count -> counters:add(Handled, 1, 1), flooded(Handled);
        {stop, Boss} -> Boss ! {flooded, counters:get(Handled, 1)}, counter(0)
    end.

probed(Waits) ->
    receive
        {probe, SentNs} -> probed([(now_ns() - SentNs) / 1.0e6 | Waits]);
        {stop, Boss} -> Boss ! {waits, Waits}, counter(0)
    end.

await(Message) ->
    receive Message -> ok after ?PATIENCE_MS -> error({missing, Message}) end.

%% What the emulator has allocated, and what the system has given it.
memory() ->
    garbage_collect(),
    {erlang:memory(total), rss()}.

rss() ->
    case file:read_file("/proc/self/status") of
        {ok, Status} ->
            {match, [Kilobytes]} = re:run(Status, "VmRSS:\\s+(\\d+)", [{capture, all_but_first, list}]),
            list_to_integer(Kilobytes) * 1024;
        _ ->
            0
    end.

now_ns() -> erlang:monotonic_time(nanosecond).

per_second(Count, FromNs) -> Count * 1.0e9 / (now_ns() - FromNs).

percentile(Samples, Share) ->
    lists:nth(max(1, ceil(Share * length(Samples))), lists:sort(Samples)).
