// PeerFlink - Apache Flink with the window job of bench_window.c, driven by lines on standard input.
//
// A line is KIND SIZE_MS SLIDE_MS KEYS ROWS ROWS_A_SECOND, the answer SECONDS RESULTS CHECKSUM. Rows are
// those of window_load.c, made by the same formula; the time runs from the first row to the end of the
// job's last task. State is on the heap, objects are reused, one task a step.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Locale;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.functions.windowing.WindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.EventTimeSessionWindows;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.WindowAssigner;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

public final class PeerFlink {
    public static final class Trade {
        public long key, timeMs, id, price, qty;
    }

    public static final class Bar {
        public long key, endMs, openMs, openId, closeMs, closeId;
        public long open, high, low, close, volume, trades;
    }

    private static volatile long firstNs;
    private static long results, checksum;

    private static Trade tradeOf(long seq, long keys, long rate) {
        long z = 1 + (seq + 1) * 0x9e3779b97f4a7c15L;
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z ^= z >>> 31;
        if (seq == 0) firstNs = System.nanoTime();
        Trade t = new Trade();
        t.key = ((z >>> 32) * keys) >>> 32;
        t.timeMs = 1000 + seq * 1000 / rate - Long.remainderUnsigned(z, 100);
        t.id = seq;
        t.price = (z & 0xffffff) + 5000000000000L;
        t.qty = z >>> 40;
        return t;
    }

    private static final class Bars implements AggregateFunction<Trade, Bar, Bar> {
        public Bar createAccumulator() {
            Bar b = new Bar();
            b.openMs = Long.MAX_VALUE;
            b.closeMs = Long.MIN_VALUE;
            b.high = Long.MIN_VALUE;
            b.low = Long.MAX_VALUE;
            return b;
        }

        public Bar add(Trade t, Bar b) {
            if (t.timeMs < b.openMs || (t.timeMs == b.openMs && t.id < b.openId)) {
                b.openMs = t.timeMs;
                b.openId = t.id;
                b.open = t.price;
            }
            if (t.timeMs > b.closeMs || (t.timeMs == b.closeMs && t.id > b.closeId)) {
                b.closeMs = t.timeMs;
                b.closeId = t.id;
                b.close = t.price;
            }
            b.high = Math.max(b.high, t.price);
            b.low = Math.min(b.low, t.price);
            b.volume += t.qty;
            b.trades++;
            return b;
        }

        public Bar getResult(Bar b) {
            return b;
        }

        public Bar merge(Bar a, Bar b) {
            if (b.openMs < a.openMs || (b.openMs == a.openMs && b.openId < a.openId)) {
                a.openMs = b.openMs;
                a.openId = b.openId;
                a.open = b.open;
            }
            if (b.closeMs > a.closeMs || (b.closeMs == a.closeMs && b.closeId > a.closeId)) {
                a.closeMs = b.closeMs;
                a.closeId = b.closeId;
                a.close = b.close;
            }
            a.high = Math.max(a.high, b.high);
            a.low = Math.min(a.low, b.low);
            a.volume += b.volume;
            a.trades += b.trades;
            return a;
        }
    }

    private static final class Name implements WindowFunction<Bar, Bar, Long, TimeWindow> {
        public void apply(Long key, TimeWindow window, Iterable<Bar> bars, Collector<Bar> out) {
            for (Bar b : bars) {
                b.key = key;
                b.endMs = window.getEnd();
                out.collect(b);
            }
        }
    }

    private static final class Sum extends ProcessFunction<Bar, Bar> {
        @Override
        public void processElement(Bar b, Context context, Collector<Bar> out) {
            long all = b.endMs * 3 + b.open * 5 + b.high * 7 + b.low * 11 + b.close * 13
                    + b.volume * 17 + b.trades * 19;
            results++;
            checksum += all * (2 * b.key + 1);
        }
    }

    /** One second behind the row, every ten milliseconds of event time. */
    private static final class Behind implements WatermarkGenerator<Trade> {
        private long nextMs = Long.MIN_VALUE;

        public void onEvent(Trade t, long timeMs, WatermarkOutput out) {
            long watermark = timeMs - 1001;
            if (watermark < nextMs) return;
            out.emitWatermark(new Watermark(watermark));
            nextMs = watermark + 10;
        }

        public void onPeriodicEmit(WatermarkOutput out) {}
    }

    private static WindowAssigner<Object, TimeWindow> windows(String kind, long sizeMs, long slideMs) {
        Duration size = Duration.ofMillis(sizeMs);
        switch (kind) {
            case "tumbling":
                return TumblingEventTimeWindows.of(size);
            case "sliding":
                return SlidingEventTimeWindows.of(size, Duration.ofMillis(slideMs));
            case "session":
                @SuppressWarnings({"unchecked", "rawtypes"})
                WindowAssigner<Object, TimeWindow> session =
                        (WindowAssigner) EventTimeSessionWindows.withGap(size);
                return session;
            default:
                throw new IllegalArgumentException(kind);
        }
    }

    private static double run(String[] words) throws Exception {
        long keys = Long.parseLong(words[3]), rows = Long.parseLong(words[4]);
        long rate = Long.parseLong(words[5]);
        results = checksum = 0;
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration());
        env.getConfig().enableObjectReuse();
        DataStream<Trade> trades = env.fromSequence(0, rows - 1)
                .map(seq -> tradeOf(seq, keys, rate))
                .returns(Trade.class)
                .assignTimestampsAndWatermarks(
                        WatermarkStrategy.<Trade>forGenerator(context -> new Behind())
                                .withTimestampAssigner((t, before) -> t.timeMs));
        KeyedStream<Trade, Long> keyed = trades.keyBy(t -> t.key, org.apache.flink.api.common.typeinfo.Types.LONG);
        keyed.window(windows(words[0], Long.parseLong(words[1]), Long.parseLong(words[2])))
                .aggregate(new Bars(), new Name())
                .process(new Sum())
                .returns(Bar.class)
                .sinkTo(new DiscardingSink<>());
        env.execute();
        return (System.nanoTime() - firstNs) * 1e-9;
    }

    public static void main(String[] args) throws Exception {
        System.out.println("Flink " + EnvironmentInformation.getVersion());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            double seconds = run(line.trim().split(" "));
            System.out.println(String.format(Locale.ROOT, "%.6f %d %s", seconds, results,
                    Long.toUnsignedString(checksum)));
        }
    }
}
